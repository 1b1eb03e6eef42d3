// Random SELECTs over the relations of the property test, nested a few operators deep. Every result is a bag that SQL
// determines fully: orders are total up to equal rows.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace millrace::test {

struct Column {
  std::string name;
  char type;  ///< 'i' integer, 's' text, 'l' list of integers, 'd' float, 'm' decimal, 't' time, 'b' boolean
};

struct Query {
  std::string sql;
  std::vector<Column> columns;
  int depth = 0;  ///< operators above the relations
};

class QueryGenerator {
 public:
  explicit QueryGenerator(uint64_t seed) : random_(seed) {}
  /// From now on queries may read this view too.
  void add_relation(const std::string& name, const std::vector<Column>& columns);
  Query generate(int depth);
  /// A condition over the query's columns.
  std::string condition(const Query& query);
  /// All that generate() made, parts and wholes: each stands in the text of what it is a part of as it is here.
  const std::vector<Query>& pieces() const { return pieces_; }
  /// OVER of all kinds, over queries of this depth.
  Query generate_windows(int depth);

 private:
  Query grow(int depth);
  Query relation();
  Query filter(Query in);
  Query project(Query in);
  Query unnest(Query in);
  Query union_all(Query in, int depth);
  Query distinct(Query in);
  Query distinct_on(Query in);
  Query kernel_window(Query in);
  // query_generator_windows.cpp
  Query framed_window(Query in);
  Query several_windows(Query in);
  std::string window_call(const Query& in, bool total_order);
  std::string frame();
  std::string over(const Query& in, const std::vector<Column>& keys, bool total_order);
  Query top_n(Query in);
  Query ranked(Query in);
  Query join(Query in, int depth);
  Query semi_join(Query in);
  Query scalar_subquery(Query in);
  // query_generator_aggregates.cpp
  Query aggregate(Query in);
  Query general_aggregate(Query in);
  Query states_aggregate(Query in);
  Query grouping_sets(Query in);
  Query having(Query in);
  // query_generator_joins.cpp
  Query few_rows(Query in);
  Query join_of_any_type(Query in, int depth);
  Query set_operation(Query in, int depth);
  Query mark_subquery(Query in);
  Query correlated_scalar(Query in);
  Query lateral(Query in);
  Query asof_join(Query in);
  Query constants(Query in);
  Query join_or_subquery(Query in, int depth);
  // query_generator_types.cpp
  Query over_any_type(Query in, int depth);
  Query typed_filter(Query in);
  Query typed_project(Query in);
  Query typed_aggregate(Query in);
  Query typed_general_aggregate(Query in);
  Query typed_join(Query in, int depth);
  Query typed_set(Query in);
  Query typed_window(Query in);
  Query typed_asof(Query in);
  std::string typed_predicate(const Column& column);
  std::string subquery_test(const Query& in);
  std::string integer_of(const Query& in, const std::string& qualifier);

  size_t pick(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
  std::string fresh() { return "c" + std::to_string(next_column_++); }
  std::vector<Column> of_type(const Query& in, char type) const;
  std::string all_columns(const Query& in) const;
  std::string predicate(const Query& in);
  std::string scalar(const Query& in, char& type);
  /// A subset of the columns that are no lists, at least one.
  std::vector<Column> some_keys(const Query& in);

  std::mt19937_64 random_;
  std::vector<Query> views_;
  std::vector<Query> pieces_;
  int next_column_ = 0;
};

}  // namespace millrace::test
