// Failpoints on both sides of every operation on files, by the kind of file: `file.<kind>.<operation>.before` and
// `.after`, for example file.segment.sync.after. A crash test walks through all of them.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/failpoints.h"

namespace millrace {

enum class FileOperation : uint8_t { kCreate, kAppend, kSync, kTruncate, kRename, kRemove };
inline constexpr size_t kFileOperations = 6;

/// The points of one kind of file.
class FileFaults {
 public:
  FileFaults(Failpoints& failpoints, std::string_view kind);

  /// Runs `call`, which returns a Status or a Result, between the two points of an operation.
  template <typename Call>
  auto around(FileOperation operation, Call call) -> decltype(call()) {
    auto& [before, after] = points_[static_cast<size_t>(operation)];
    MR_TRY(before->check());
    auto result = call();
    if (result.ok()) MR_TRY(after->check());
    return result;
  }

 private:
  std::array<std::pair<FailPoint*, FailPoint*>, kFileOperations> points_;
};

/// The kinds: `segment` and `stream` of the log, `catalog`, `state`, `directory`, and `other`, which sinks' files are.
class FaultsByKind {
 public:
  explicit FaultsByKind(Failpoints& failpoints);
  FileFaults& of(std::string_view path);
  FileFaults& directory() { return directory_; }

 private:
  FileFaults segment_;
  FileFaults stream_;
  FileFaults catalog_;
  FileFaults state_;
  FileFaults directory_;
  FileFaults other_;
};

}  // namespace millrace
