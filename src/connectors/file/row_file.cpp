#include "connectors/file/row_file.h"

#include <utility>

#include "formats/encoder.h"
#include "lake/parquet.h"

namespace millrace::connectors::file {
namespace {

constexpr size_t kWriteBytes = 1 << 20;

class ParquetFile final : public RowFile {
 public:
  explicit ParquetFile(std::unique_ptr<lake::ParquetWriter> writer) : writer_(std::move(writer)) {}
  Status begin(const std::string& path) override { return writer_->begin(path); }
  Status append(const batch::Batch& rows) override { return writer_->append(rows); }
  Status finish() override { return writer_->finish(); }
  uint64_t bytes() const override { return writer_->bytes(); }

 private:
  std::unique_ptr<lake::ParquetWriter> writer_;
};

class TextFile final : public RowFile {
 public:
  TextFile(Env& env, const batch::Schema& schema, const RowFileOptions& options)
      : env_(env), schema_(schema), options_(options) {}

  Status begin(const std::string& path) override {
    text_.clear();
    packed_.clear();
    packer_ = formats::make_packer(options_.packing);
    MR_ASSIGN(file_, env_.files().create(path));
    if (options_.format == FileFormat::kCsv && options_.header)
      formats::encode_csv_header(schema_, options_.delimiter, text_);
    return {};
  }

  Status append(const batch::Batch& rows) override {
    if (options_.format == FileFormat::kCsv) {
      formats::encode_csv(schema_, rows, options_.delimiter, text_);
    } else {
      formats::encode_ndjson(schema_, rows, text_);
    }
    return text_.size() < kWriteBytes ? Status() : write();
  }

  Status finish() override {
    MR_TRY(write());
    MR_TRY(packer_->finish(packed_));
    MR_TRY(write_packed());
    MR_TRY(file_->sync());
    MR_TRY(file_->close());
    file_.reset();
    return {};
  }

  uint64_t bytes() const override { return (file_ ? file_->size() : 0) + packed_.size() + text_.size(); }

 private:
  Status write() {
    MR_TRY(packer_->pack(text_, packed_));
    text_.clear();
    return write_packed();
  }

  Status write_packed() {
    if (packed_.empty()) return {};
    MR_TRY(file_->append(packed_));
    packed_.clear();
    return {};
  }

  Env& env_;
  const batch::Schema schema_;
  const RowFileOptions options_;
  std::unique_ptr<WritableFile> file_;
  std::unique_ptr<formats::Packer> packer_;
  std::string text_;    // rows that wait to be packed
  std::string packed_;  // bytes that wait to be written
};

}  // namespace

Result<std::unique_ptr<RowFile>> make_row_file(Env& env, const batch::Schema& schema, const RowFileOptions& options) {
  if (options.format != FileFormat::kParquet)
    return std::unique_ptr<RowFile>(std::make_unique<TextFile>(env, schema, options));
  MR_ASSIGN(auto writer, lake::ParquetWriter::create(env, schema, options.parquet_compression));
  return std::unique_ptr<RowFile>(std::make_unique<ParquetFile>(std::move(writer)));
}

}  // namespace millrace::connectors::file
