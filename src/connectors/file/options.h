// What the connector `file` adds to CREATE STREAM, CREATE TABLE and CREATE SINK.
#pragma once

#include <string>
#include <string_view>

#include "sql/options.h"

namespace millrace::connectors::file {

sql::OptionGroup option_group();

/// The format that a file's name tells: "csv", "parquet" or "json", also with .gz or .zst behind; "" when it tells
/// none.
std::string format_of_path(std::string_view path);

}  // namespace millrace::connectors::file
