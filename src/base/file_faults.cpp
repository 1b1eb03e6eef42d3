#include "base/file_faults.h"

#include "base/paths.h"

namespace millrace {
namespace {

constexpr std::string_view kOperationNames[kFileOperations] = {"create",   "append", "sync",
                                                               "truncate", "rename", "remove"};

}  // namespace

FileFaults::FileFaults(Failpoints& failpoints, std::string_view kind) {
  for (size_t i = 0; i < kFileOperations; ++i) {
    const std::string name = "file." + std::string(kind) + "." + std::string(kOperationNames[i]);
    points_[i] = {&failpoints.point(name + ".before"), &failpoints.point(name + ".after")};
  }
}

FaultsByKind::FaultsByKind(Failpoints& failpoints)
    : segment_(failpoints, "segment"),
      stream_(failpoints, "stream"),
      catalog_(failpoints, "catalog"),
      state_(failpoints, "state"),
      directory_(failpoints, "directory"),
      other_(failpoints, "other") {}

FileFaults& FaultsByKind::of(std::string_view path) {
  if (path.ends_with(".tmp")) path.remove_suffix(4);
  const std::string_view name = file_name(path);
  if (name.ends_with(".seg")) return segment_;
  if (name == "stream") return stream_;
  if (name == "catalog") return catalog_;
  if (file_name(parent_path(path)) == "state") return state_;
  return other_;
}

}  // namespace millrace
