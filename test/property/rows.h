// The relations of the property tests and their rows: NULL, NaN, both zeros, infinities, decimals beyond 64 bits, empty
// and multibyte texts, equal times.
//
// `t` has the columns id, k, g, x, l, d, m, ts, b and `u` has id, k, name, w, d, ts: their names are fixed, so that a
// query fits every schema, and their types are drawn.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "batch/batch.h"

namespace millrace::test {

using Random = std::mt19937_64;
using List = std::vector<std::optional<int64_t>>;
/// NULL; integers, booleans, times in the type's unit and decimals without their point; floats; texts; lists.
using Value = std::variant<std::monostate, batch::int128, double, std::string, List>;
using Row = std::vector<Value>;
/// A row as text → how often. Never 0.
using Bag = std::map<std::string, int64_t>;

struct Table {
  std::string name;
  batch::Schema schema;
  bool append_only = true;
};

/// `t` and `u`.
std::vector<Table> random_tables(Random& random);
Row random_row(const Table& table, Random& random, int64_t id);

/// A row of a flat batch.
void put_row(batch::Batch& out, size_t at, const Row& row);
/// As SQL: (1, NULL, 'a').
std::string literal(const Table& table, const Row& row);
/// As a record of a stream: {"id":1,"g":"a"}. NULL fields are left out.
std::string json(const Table& table, const Row& row);

/// Adds the rows with their diffs. -0.0 counts as 0.0: they are equal in SQL, and which one stands for a group is not
/// determined.
void add_rows(Bag& bag, const batch::Batch& batch);
/// The first rows in which the two differ; empty when they are equal.
std::string difference(const Bag& left, const char* left_name, const Bag& right, const char* right_name);

}  // namespace millrace::test
