// PairBuffer: rows that an ASOF or temporal join is about to give, as the encoded columns of both sides; a left row
// without partner gets NULLs on the right.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dataflow/operators.h"

namespace millrace::dataflow {

class PairBuffer {
 public:
  /// The codecs of what add() is given; they must live as long. `output`: the left's columns, then the right's.
  PairBuffer(const batch::Schema& output, const batch::RowCodec& left, const batch::RowCodec& right)
      : codecs_{&left, &right}, output_(output) {}

  Status add(std::string_view left, std::string_view right, int64_t diff, Output& out, OperatorStats& stats);
  Status add_alone(std::string_view left, int64_t diff, Output& out, OperatorStats& stats);
  /// Emits what is there.
  Status flush(Output& out, OperatorStats& stats);

 private:
  /// Pieces of both sides, one after another.
  struct Pending {
    std::string bytes[2];
    std::vector<size_t> ends[2];
    std::vector<int64_t> diffs;
  };
  Status flush(Pending& pending, bool with_partner, Output& out, OperatorStats& stats);
  Status decode(const Pending& pending, size_t side, size_t first_column);

  const batch::RowCodec* codecs_[2];
  Pending pairs_, alone_;
  batch::Batch output_;
  std::vector<std::string_view> pieces_;
};

}  // namespace millrace::dataflow
