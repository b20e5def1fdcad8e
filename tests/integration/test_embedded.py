import psycopg


def test_embedded_runs_sql(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT 41 + 1").fetchone()
    assert row == (42,)
