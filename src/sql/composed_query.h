// ComposedQuery: a query of pieces that the user wrote, with ours between them; errors in it point to the user's text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/statement.h"

namespace millrace::sql {

class ComposedQuery {
 public:
  ComposedQuery& operator<<(std::string_view ours) {
    text_ += ours;
    return *this;
  }
  ComposedQuery& operator<<(const SqlText& users) {
    pieces_.push_back({text_.size(), users.text.size(), users.span.offset});
    text_ += users.text;
    return *this;
  }

  ComposedQuery& operator<<(const ComposedQuery& other) {
    for (const Piece& piece : other.pieces_) pieces_.push_back({text_.size() + piece.at, piece.length, piece.original});
    text_ += other.text_;
    return *this;
  }

  const std::string& text() const { return text_; }

  /// An error of running text() at offset 0, as one of the user's statement. What lies in our part points to `whole`.
  Error original(Error error, SourceSpan whole) const {
    for (const Piece& piece : pieces_) {
      if (!error.position || error.position->offset < piece.at) continue;
      if (error.position->offset >= piece.at + piece.length) continue;
      error.position->offset = error.position->offset - piece.at + piece.original;
      return error;
    }
    return std::move(error).at(whole);
  }

 private:
  struct Piece {
    size_t at;
    size_t length;
    uint64_t original;
  };
  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace millrace::sql
