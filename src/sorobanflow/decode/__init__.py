"""Turn base64 XDR into SEP-51 JSON values."""
