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
  const char* key;        ///< its first key column
  size_t key_columns[2];  ///< the same twice: one column
};

inline constexpr Table kTables[] = {{"region", "r_regionkey", {0, 0}}, {"nation", "n_nationkey", {0, 0}},
                                    {"supplier", "s_suppkey", {0, 0}}, {"customer", "c_custkey", {0, 0}},
                                    {"part", "p_partkey", {0, 0}},     {"partsupp", "ps_partkey", {0, 1}},
                                    {"orders", "o_orderkey", {0, 0}},  {"lineitem", "l_orderkey", {0, 3}}};

/// Keys of rows that do not belong are above this.
inline constexpr uint64_t kPhantomKeys = 100000000;

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
