"""Reads Parquet files through DuckDB's own library, outside of any program under test: the C interface of libduckdb, which the build
has in build/third_party/duckdb, by ctypes. `available` says whether it is there.
"""

import ctypes
import json
import os
import pathlib

SOURCE = pathlib.Path(os.environ.get("MILLRACE_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
PLACES = (SOURCE / "build/third_party/duckdb/lib", pathlib.Path("/usr/local/lib"), pathlib.Path("/usr/lib"))


class _Result(ctypes.Structure):  # duckdb_result of duckdb.h
    _fields_ = [("columns", ctypes.c_uint64), ("rows", ctypes.c_uint64), ("changed", ctypes.c_uint64),
                ("column_data", ctypes.c_void_p), ("error", ctypes.c_char_p), ("internal", ctypes.c_void_p)]


def _path():
    return next((place / "libduckdb.so" for place in PLACES if (place / "libduckdb.so").exists()), None)


def available():
    return _path() is not None


class Duckdb:
    """A database in memory. Not for several threads."""

    def __init__(self):
        self.library = ctypes.CDLL(str(_path()))
        self.library.duckdb_value_varchar.argtypes = [ctypes.POINTER(_Result), ctypes.c_uint64, ctypes.c_uint64]
        self.library.duckdb_value_varchar.restype = ctypes.c_void_p
        self.library.duckdb_free.argtypes = [ctypes.c_void_p]
        self.library.duckdb_row_count.argtypes = [ctypes.POINTER(_Result)]
        self.library.duckdb_row_count.restype = ctypes.c_uint64
        self.library.duckdb_result_error.argtypes = [ctypes.POINTER(_Result)]
        self.library.duckdb_result_error.restype = ctypes.c_char_p
        self.database, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        if self.library.duckdb_open(None, ctypes.byref(self.database)) != 0:
            raise AssertionError("DuckDB does not open")
        self.library.duckdb_connect(self.database, ctypes.byref(self.connection))

    def texts(self, sql):
        """The first column of the answer."""
        result = _Result()
        try:
            if self.library.duckdb_query(self.connection, sql.encode(), ctypes.byref(result)) != 0:
                raise AssertionError(f"{sql}: {self.library.duckdb_result_error(ctypes.byref(result)).decode()}")
            texts = []
            for row in range(self.library.duckdb_row_count(ctypes.byref(result))):
                value = self.library.duckdb_value_varchar(ctypes.byref(result), 0, row)
                texts.append(ctypes.string_at(value).decode())
                self.library.duckdb_free(value)
            return texts
        finally:
            self.library.duckdb_destroy_result(ctypes.byref(result))

    def rows(self, path):
        """The rows of one file, in its order, as dicts."""
        quoted = str(path).replace("'", "''")
        return [json.loads(text) for text in self.texts(f"SELECT to_json(file) FROM read_parquet('{quoted}') AS file")]

    def close(self):
        self.library.duckdb_disconnect(ctypes.byref(self.connection))
        self.library.duckdb_close(ctypes.byref(self.database))
