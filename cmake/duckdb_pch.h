// Precompiled for the folders that may include DuckDB (batch, sql, lake), where duckdb.hpp costs seconds a file.
#include "std_pch.h"

#include <duckdb.hpp>
