// The files that the `house` instance of DuckDB sees: those of an Env. So Parquet goes through the same door as
// everything else, and tests own its faults. Private to lake/.
#pragma once

#include <duckdb.hpp>
#include <duckdb/common/file_system.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/env.h"

namespace millrace::lake {

/// Files are written from their start to their end, and synced when DuckDB closes them; read at any place. What fails
/// is thrown as DuckDB's IOException, and the Error itself is kept for take_failure.
class EnvFiles final : public duckdb::FileSystem {
 public:
  explicit EnvFiles(Env& env) : env_(env) {}

  std::optional<Error> take_failure() { return std::exchange(failure_, std::nullopt); }

  /// In all, to all files.
  uint64_t bytes_written() const { return bytes_written_; }

  duckdb::unique_ptr<duckdb::FileHandle> OpenFile(const std::string& path, duckdb::FileOpenFlags flags,
                                                  duckdb::optional_ptr<duckdb::FileOpener> opener) override;
  void Read(duckdb::FileHandle& handle, void* buffer, int64_t bytes, duckdb::idx_t location) override;
  int64_t Read(duckdb::FileHandle& handle, void* buffer, int64_t bytes) override;
  int64_t Write(duckdb::FileHandle& handle, void* buffer, int64_t bytes) override;
  void FileSync(duckdb::FileHandle& handle) override;
  int64_t GetFileSize(duckdb::FileHandle& handle) override;
  duckdb::timestamp_t GetLastModifiedTime(duckdb::FileHandle&) override { return duckdb::timestamp_t(0); }
  std::string GetVersionTag(duckdb::FileHandle&) override { return ""; }
  duckdb::FileType GetFileType(duckdb::FileHandle&) override { return duckdb::FileType::FILE_TYPE_REGULAR; }
  bool FileExists(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) override;
  bool DirectoryExists(const std::string&, duckdb::optional_ptr<duckdb::FileOpener>) override { return false; }
  bool IsPipe(const std::string&, duckdb::optional_ptr<duckdb::FileOpener>) override { return false; }
  duckdb::vector<duckdb::OpenFileInfo> Glob(const std::string& path, duckdb::FileOpener* opener) override;
  void Seek(duckdb::FileHandle& handle, duckdb::idx_t location) override;
  duckdb::idx_t SeekPosition(duckdb::FileHandle& handle) override;
  bool CanSeek() override { return true; }
  bool OnDiskFile(duckdb::FileHandle&) override { return true; }
  std::string GetName() const override { return "EnvFiles"; }

 private:
  friend struct EnvFile;
  [[noreturn]] void fail(Error error);
  template <typename T>
  T need(Result<T> result);
  void need(Status status);

  Env& env_;
  std::optional<Error> failure_;
  uint64_t bytes_written_ = 0;
};

}  // namespace millrace::lake
