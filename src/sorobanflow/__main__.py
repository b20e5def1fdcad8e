"""The script `sorobanflow`: hands over to the command of the clone that it is installed from.

The installed library has no command: its flows are in a clone, beside this package.
"""

import sys


def main() -> int:
    """Run the command, or say where it is; gives the exit code."""
    try:
        from deployments.command_line import main as run  # noqa: PLC0415 - may be absent
    except ModuleNotFoundError as error:
        if error.name not in ("deployments", "deployments.command_line", "cyclopts"):
            raise
        said = "sorobanflow is installed as a library, without its flows and its command"
        print(f"error: {said}; clone the repository, and run `make` there", file=sys.stderr)
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
