// Changes: the rows of one transaction, as COPY lines, until they are sent. Of upserts only the last of each key is
// sent. Memory is bounded by the sink, which commits when size_bytes() is large.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/copy_text.h"
#include "connectors/sink.h"

namespace millrace::connectors::postgres {

class Changes {
 public:
  Changes(const SinkSetup& setup, const std::vector<bool>& as_array);

  void add(const batch::Batch& rows);
  void clear();

  uint64_t rows() const { return rows_; }  ///< taken since clear; of upserts not all are sent
  size_t size_bytes() const { return text_.size() + keys_.size(); }
  bool has_deletes() const { return deletes_; }
  bool has_null_deletes() const { return null_deletes_; }  ///< of a key in which there is NULL
  bool has_lines() const { return !lines_.empty(); }

  /// Hands out the lines in pieces of about 256 KiB.
  Status send(const std::function<Status(std::string_view piece)>& to) const;

 private:
  struct Line {
    size_t begin;
    size_t end;
  };
  struct Key {
    uint64_t hash;
    size_t begin;
    size_t end;
  };

  void add_row(size_t row);
  void add_upsert(const batch::Batch& rows, size_t row);
  /// The number of the line that holds the key; a new one when there is none.
  size_t line_of(std::string_view key);
  void grow();

  const bool upsert_;
  RowWriter values_;
  RowWriter key_;
  std::string text_;
  std::vector<Line> lines_;
  std::string keys_;
  std::vector<Key> key_of_line_;
  std::vector<uint32_t> slots_;  ///< open addressing: line + 1, by hash; 0 is free
  std::string scratch_;
  uint64_t rows_ = 0;
  bool deletes_ = false;
  bool null_deletes_ = false;
};

}  // namespace millrace::connectors::postgres
