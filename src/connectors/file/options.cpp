#include "connectors/file/options.h"

#include <utility>

#include "base/text.h"

namespace millrace::connectors::file {

sql::OptionGroup option_group() {
  sql::OptionSpec input{"path", sql::OptionKind::kText, "",
                        "the file: one JSON object a line, a JSON array, or CSV; .gz and .zst are unpacked"};
  input.required = true;
  sql::OptionSpec output{"path", sql::OptionKind::kText, "",
                         "a folder, or a file with the format's ending; empty: the sink is off"};
  sql::OptionSpec size{"roll_size", sql::OptionKind::kSize, "128 MiB",
                       "a file of about this size is finished and the next one begun"};
  size.minimum = 1;
  sql::OptionSpec age{"roll_age", sql::OptionKind::kDuration, "1 minute",
                      "rows wait at most so long before their file is finished"};
  age.minimum = 0;
  sql::OptionSpec compression{"compression",
                              sql::OptionKind::kEnum,
                              "",
                              "zstd when the format is parquet, else none",
                              {"none", "gzip", "zstd", "snappy"}};

  sql::OptionGroup group{"file", "files in a folder", true, true};
  group.source_options = {std::move(input)};
  group.sink_options = {std::move(output), std::move(size), std::move(age), std::move(compression)};
  return group;
}

std::string format_of_path(std::string_view path) {
  std::string name = to_lower_ascii(path);
  for (std::string_view packed : {".gz", ".zst"}) {
    if (name.ends_with(packed)) name.resize(name.size() - packed.size());
  }
  if (name.ends_with(".csv")) return "csv";
  if (name.ends_with(".parquet")) return "parquet";
  for (std::string_view json : {".json", ".ndjson", ".jsonl"}) {
    if (name.ends_with(json)) return "json";
  }
  return "";
}

}  // namespace millrace::connectors::file
