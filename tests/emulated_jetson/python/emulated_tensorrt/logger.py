"""Logger and ILogger: who is told what."""

import sys
import time


class LoggerBase:
    """ILogger: a class derived from it gets every message, whatever its severity."""

    def __init__(self, api):
        self._api = api

    def log(self, severity, msg):
        raise NotImplementedError('Tried to call pure virtual function "ILogger::log"')


class PrintingLogger:
    """Logger: prints what is at least as severe as `min_severity`, as TensorRT's own does."""

    def __init__(self, api, min_severity):
        self._api = api
        self.min_severity = min_severity

    def log(self, severity, msg):
        if severity > self.min_severity:
            return
        stream = sys.stdout if severity >= self._api.Severity.INFO else sys.stderr
        letter = {"INTERNAL_ERROR": "F", "ERROR": "E", "WARNING": "W", "INFO": "I", "VERBOSE": "V"}[
            severity.name
        ]
        stream.write(time.strftime("[%m/%d/%Y-%H:%M:%S] ") + f"[TRT] [{letter}] {msg}\n")
        stream.flush()


def tell(api, logger, severity, message):
    """Give `message` to `logger`, a Logger or a subclass of ILogger."""
    logger.log(getattr(api.Severity, severity), message)
