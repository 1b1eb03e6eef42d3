#include "connectors/file/input.h"

#include <zlib.h>
#include <zstd.h>

#include <vector>

namespace millrace::connectors::file {
namespace {

constexpr size_t kBlockBytes = 256 << 10;

/// The file as it is, block by block.
class Blocks {
 public:
  Blocks(std::string path, std::unique_ptr<RandomAccessFile> file, uint64_t size)
      : path_(std::move(path)), file_(std::move(file)), size_(size), block_(kBlockBytes) {}

  /// The next block; empty at the end.
  Result<std::string_view> next() {
    MR_ASSIGN(size_t length, file_->read_at(position_, block_.data(), block_.size()));
    position_ += length;
    return std::string_view(block_.data(), length);
  }
  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  void rewind() { position_ = 0; }

 private:
  std::string path_;
  std::unique_ptr<RandomAccessFile> file_;
  uint64_t size_;
  uint64_t position_ = 0;
  std::vector<char> block_;
};

class PlainInput final : public Input {
 public:
  explicit PlainInput(Blocks blocks) : blocks_(std::move(blocks)) {}
  Result<bool> read(std::string& out) override {
    MR_ASSIGN(std::string_view block, blocks_.next());
    out.append(block);
    return !block.empty();
  }
  uint64_t file_bytes() const override { return blocks_.size(); }

 private:
  Blocks blocks_;
};

Error broken(const std::string& path, const char* what) {
  return external_error(sqlstate::kDataCorrupted, "the " + std::string(what) + " file " + path + " is damaged or breaks off")
      .with_hint("get the whole file again; what came before the damage is stored");
}

class GzipInput final : public Input {
 public:
  explicit GzipInput(Blocks blocks) : blocks_(std::move(blocks)) { inflateInit2(&stream_, 15 + 32); }
  ~GzipInput() override { inflateEnd(&stream_); }

  Result<bool> read(std::string& out) override {
    size_t before = out.size();
    while (out.size() == before) {
      if (stream_.avail_in == 0) {
        MR_ASSIGN(std::string_view block, blocks_.next());
        if (block.empty()) return in_member_ ? Result<bool>(broken(blocks_.path(), "gzip")) : Result<bool>(false);
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(block.data()));
        stream_.avail_in = static_cast<uInt>(block.size());
      }
      if (!in_member_) inflateReset(&stream_);  // gzip files may hold several members
      in_member_ = true;
      out.resize(before + kBlockBytes);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
      stream_.avail_out = kBlockBytes;
      int outcome = inflate(&stream_, Z_NO_FLUSH);
      out.resize(before + kBlockBytes - stream_.avail_out);
      if (outcome == Z_STREAM_END) in_member_ = false;
      if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) return broken(blocks_.path(), "gzip");
    }
    return true;
  }
  uint64_t file_bytes() const override { return blocks_.size(); }

 private:
  Blocks blocks_;
  z_stream stream_{};
  bool in_member_ = false;
};

class ZstdInput final : public Input {
 public:
  explicit ZstdInput(Blocks blocks) : blocks_(std::move(blocks)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {}

  Result<bool> read(std::string& out) override {
    size_t before = out.size();
    while (out.size() == before) {
      if (in_.pos == in_.size) {
        MR_ASSIGN(std::string_view block, blocks_.next());
        if (block.empty()) return in_frame_ ? Result<bool>(broken(blocks_.path(), "zstd")) : Result<bool>(false);
        in_ = {block.data(), block.size(), 0};
      }
      out.resize(before + kBlockBytes);
      ZSTD_outBuffer to{out.data() + before, kBlockBytes, 0};
      size_t outcome = ZSTD_decompressStream(stream_.get(), &to, &in_);
      out.resize(before + to.pos);
      if (ZSTD_isError(outcome)) return broken(blocks_.path(), "zstd");
      in_frame_ = outcome != 0;
    }
    return true;
  }
  uint64_t file_bytes() const override { return blocks_.size(); }

 private:
  Blocks blocks_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool in_frame_ = false;
};

}  // namespace

Result<std::unique_ptr<Input>> open_input(Env& env, const std::string& path) {
  auto opened = env.files().open_read(path);
  if (!opened.ok()) {
    Error error = std::move(opened).error();
    error.hint = "a path in a pipeline is relative to the pipeline file";
    return error;
  }
  std::unique_ptr<RandomAccessFile> file = std::move(opened).value();
  MR_ASSIGN(uint64_t size, file->size());
  Blocks blocks(path, std::move(file), size);
  MR_ASSIGN(std::string_view start, blocks.next());
  bool gzip = start.starts_with("\x1f\x8b");
  bool zstd = start.starts_with("\x28\xb5\x2f\xfd");
  blocks.rewind();
  if (gzip) return std::unique_ptr<Input>(std::make_unique<GzipInput>(std::move(blocks)));
  if (zstd) return std::unique_ptr<Input>(std::make_unique<ZstdInput>(std::move(blocks)));
  return std::unique_ptr<Input>(std::make_unique<PlainInput>(std::move(blocks)));
}

}  // namespace millrace::connectors::file
