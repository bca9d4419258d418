class Refused(Exception):
    """What somebody asked for was not done; `code` and `detail` go back to them."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
