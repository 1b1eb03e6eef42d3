#include "base/file_steps.h"

#include "base/paths.h"

namespace millrace {
namespace {

Status write_temporary(FileSystem& files, const std::string& temporary, std::string_view bytes) {
  MR_ASSIGN(auto file, files.create(temporary));
  MR_TRY(file->append(bytes));
  MR_TRY(file->sync());
  return file->close();
}

}  // namespace

Status write_atomically_in_steps(FileSystem& files, const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  Status done = write_temporary(files, temporary, bytes);
  if (done.ok()) done = files.rename(temporary, path);
  if (!done.ok()) {
    [[maybe_unused]] const Status removed = files.remove(temporary);  // the first error is the one that counts
    return done;
  }
  return files.sync_directory(parent_path(path));
}

Status remove_if_there(FileSystem& files, const std::string& path) {
  MR_ASSIGN(bool there, files.exists(path));
  return there ? files.remove(path) : Status();
}

}  // namespace millrace
