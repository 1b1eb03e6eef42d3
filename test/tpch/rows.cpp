#include "tpch/rows.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/child_process.h"
#include "base/text.h"
#include "base/time.h"

namespace millrace::tpch {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);  // each ends with |
  return lines;
}

/// The columns of `other` with the key of `line`.
std::string with_key_of(const std::string& line, const std::string& other, const Table& table) {
  std::vector<std::string_view> from = split_view(line, '|');
  std::vector<std::string_view> columns = split_view(other, '|');
  for (size_t column : table.key_columns) columns[column] = from[column];
  std::string out;
  for (size_t i = 0; i + 1 < columns.size(); ++i) out += std::string(columns[i]) + "|";
  return out;
}

std::string with_phantom_key(const std::string& line, const Table& table, uint64_t number) {
  const std::string key = std::to_string(kPhantomKeys + number) + "|";
  std::string out;
  std::vector<std::string_view> columns = split_view(line, '|');
  for (size_t i = 0; i + 1 < columns.size(); ++i)
    out += i == table.key_columns[0] ? key : std::string(columns[i]) + "|";
  return out;
}

struct Placed {
  double at = 0;
  Change change;
};

/// The changes of one table.
void place_table(size_t table, const std::vector<std::string>& lines, std::mt19937_64& random,
                 std::vector<Placed>& changes) {
  std::uniform_real_distribution<double> moment(0, 1);
  auto any_line = [&] { return lines[random() % lines.size()]; };
  for (const std::string& line : lines) {
    double at = moment(random);
    changes.push_back({at, {table, line + "false"}});
    const uint64_t kind = random() % 12;
    if (kind == 0) {  // other values before
      changes.push_back({at * moment(random), {table, with_key_of(line, any_line(), kTables[table]) + "false"}});
    } else if (kind == 1) {  // there, gone, and there again
      const double gone = at * moment(random);
      changes.push_back({gone, {table, line + "true"}});
      changes.push_back({gone * moment(random), {table, line + "false"}});
    } else if (kind == 2) {  // does not belong: there, then gone for good
      const std::string phantom = with_phantom_key(any_line(), kTables[table], changes.size());
      changes.push_back({at, {table, phantom + "true"}});
      changes.push_back({at * moment(random), {table, phantom + "false"}});
    }
  }
}

}  // namespace

std::string generator_path() {
  const char* source = std::getenv("MILLRACE_SOURCE_DIR");
  const std::string path = std::string(source ? source : ".") + "/build/third_party/tpchgen/tpchgen-cli";
  return std::filesystem::exists(path) ? path : "";
}

std::vector<Change> make_changes(const std::string& folder, const std::string& scale, std::mt19937_64& random) {
  auto child = ChildProcess::start(generator_path(), {"-s", scale, "--output-dir", folder});
  if (!child.ok()) return {};
  while (true) {
    auto line = (*child)->read_line(Duration::from_seconds(120));
    if (!line.ok()) return {};
    if (!*line) break;
  }
  std::vector<Placed> placed;
  for (size_t table = 0; table < std::size(kTables); ++table) {
    const std::vector<std::string> lines = lines_of(folder + "/" + kTables[table].name + ".tbl");
    if (lines.empty()) return {};
    place_table(table, lines, random, placed);
  }
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) { return a.at < b.at; });
  std::vector<Change> changes;
  changes.reserve(placed.size());
  for (Placed& one : placed) changes.push_back(std::move(one.change));
  return changes;
}

}  // namespace millrace::tpch
