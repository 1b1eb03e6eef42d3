// The rows of TPC-H's tables as a stream of changes whose end is the tables: each row comes once or more at random
// places, some with other values or marked as gone before, and rows that do not belong come and go.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace millrace::tpch {

struct Table {
  const char* name;
  size_t key_columns[2];  ///< the same twice: one column
};

inline constexpr Table kTables[] = {{"region", {0, 0}},   {"nation", {0, 0}},  {"supplier", {0, 0}},
                                    {"customer", {0, 0}}, {"part", {0, 0}},    {"partsupp", {0, 1}},
                                    {"orders", {0, 0}},   {"lineitem", {0, 3}}};

/// A line of a table of tables.sql.
struct Change {
  size_t table = 0;  ///< index into kTables
  std::string line;
};

/// The program that makes the tables' files, or an empty text when it is not installed.
std::string generator_path();

/// All tables at this scale, as changes in an order that the seed decides. Files are made in `folder`. Empty when that
/// fails.
std::vector<Change> make_changes(const std::string& folder, const std::string& scale, std::mt19937_64& random);

}  // namespace millrace::tpch
