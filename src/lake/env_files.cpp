#include "lake/env_files.h"

#include <duckdb.hpp>

namespace millrace::lake {

struct EnvFile final : duckdb::FileHandle {
  EnvFile(EnvFiles& files, std::string path, duckdb::FileOpenFlags flags) : FileHandle(files, std::move(path), flags) {}

  void Close() override {
    if (writable) {
      auto& files = static_cast<EnvFiles&>(file_system);
      files.need(writable->sync());
      files.need(writable->close());
    }
    writable.reset();
    readable.reset();
  }

  std::unique_ptr<WritableFile> writable;
  std::unique_ptr<RandomAccessFile> readable;
  uint64_t position = 0;  // of the next read
};

namespace {

EnvFile& file_of(duckdb::FileHandle& handle) { return static_cast<EnvFile&>(handle); }

}  // namespace

void EnvFiles::fail(Error error) {
  std::string message = error.message;
  if (!failure_) failure_ = std::move(error);
  throw duckdb::IOException(message);
}

template <typename T>
T EnvFiles::need(Result<T> result) {
  if (!result.ok()) fail(std::move(result).error());
  return std::move(result).value();
}

void EnvFiles::need(Status status) {
  if (!status.ok()) fail(std::move(status).error());
}

duckdb::unique_ptr<duckdb::FileHandle> EnvFiles::OpenFile(const std::string& path, duckdb::FileOpenFlags flags,
                                                          duckdb::optional_ptr<duckdb::FileOpener>) {
  auto file = duckdb::make_uniq<EnvFile>(*this, path, flags);
  if (flags.OpenForWriting()) {
    file->writable = need(env_.files().create(path));
  } else {
    bool exists = need(env_.files().exists(path));
    if (!exists && flags.ReturnNullIfNotExists()) return nullptr;
    file->readable = need(env_.files().open_read(path));
  }
  return file;
}

void EnvFiles::Read(duckdb::FileHandle& handle, void* buffer, int64_t bytes, duckdb::idx_t location) {
  auto* to = static_cast<char*>(buffer);
  size_t count = need(file_of(handle).readable->read_at(location, to, static_cast<size_t>(bytes)));
  if (count < static_cast<size_t>(bytes))
    fail(external_error(sqlstate::kDataCorrupted, "the file is too short: " + handle.path));
}

int64_t EnvFiles::Read(duckdb::FileHandle& handle, void* buffer, int64_t bytes) {
  EnvFile& file = file_of(handle);
  size_t count = need(file.readable->read_at(file.position, static_cast<char*>(buffer), static_cast<size_t>(bytes)));
  file.position += count;
  return static_cast<int64_t>(count);
}

int64_t EnvFiles::Write(duckdb::FileHandle& handle, void* buffer, int64_t bytes) {
  need(file_of(handle).writable->append({static_cast<const char*>(buffer), static_cast<size_t>(bytes)}));
  bytes_written_ += static_cast<uint64_t>(bytes);
  return bytes;
}

void EnvFiles::FileSync(duckdb::FileHandle& handle) { need(file_of(handle).writable->sync()); }

int64_t EnvFiles::GetFileSize(duckdb::FileHandle& handle) {
  EnvFile& file = file_of(handle);
  uint64_t size = file.writable ? file.writable->size() : need(file.readable->size());
  return static_cast<int64_t>(size);
}

bool EnvFiles::FileExists(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener>) {
  return need(env_.files().exists(path));
}

duckdb::vector<duckdb::OpenFileInfo> EnvFiles::Glob(const std::string& path, duckdb::FileOpener*) {
  duckdb::vector<duckdb::OpenFileInfo> found;
  if (FileExists(path, nullptr)) found.emplace_back(path);
  return found;
}

void EnvFiles::Seek(duckdb::FileHandle& handle, duckdb::idx_t location) { file_of(handle).position = location; }
duckdb::idx_t EnvFiles::SeekPosition(duckdb::FileHandle& handle) { return file_of(handle).position; }

}  // namespace millrace::lake
