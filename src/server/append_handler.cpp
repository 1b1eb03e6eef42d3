// POST /v1/streams/{stream}: records into a stream or table. The answer goes out after fsync.
#include "base/config.h"
#include "base/text.h"
#include "formats/record_splitter.h"
#include "server/content_coding.h"
#include "server/error_answer.h"
#include "server/routes.h"

namespace millrace::server {
namespace {

using formats::RecordShape;

constexpr size_t kIdempotencyKeyBytesMax = 255;

Result<RecordShape> shape_of(std::string_view content_type) {
  std::string type = media_type(content_type);
  if (type == "application/x-ndjson" || type == "application/ndjson" || type == "application/jsonl")
    return RecordShape::kLines;
  if (type == "application/json") return RecordShape::kJson;
  if (type.empty() || type == "text/plain") return RecordShape::kLinesOrArray;
  if (type == "text/csv") return RecordShape::kCsv;
  Error error = user_error(sqlstate::kNotSupported,
                           "Content-Type is not one of application/x-ndjson, application/json, text/plain "
                           "and text/csv: " +
                               shorten(type));
  return std::move(error).with_hint("curl needs: -H 'Content-Type: application/x-ndjson'");
}

/// Reads ?validate and refuses what it does not know, so that a slip is not silently ignored.
Result<engine::AppendRequest> read_options(const Request& request) {
  engine::AppendRequest options;
  for (const auto& [name, value] : request.query) {
    if (name != "validate") {
      return user_error(sqlstate::kInvalidParameter, "unknown parameter: " + shorten(name))
          .with_hint("there is: validate");
    }
    MR_ASSIGN(options.validate, parse_bool("validate", value.empty() ? "true" : value));
  }
  if (request.idempotency_key.size() > kIdempotencyKeyBytesMax) {
    return user_error(sqlstate::kInvalidParameter, "the Idempotency-Key is longer than 255 bytes");
  }
  options.idempotency_key = request.idempotency_key;
  MR_TRY(read_account(request, options));
  return options;
}

std::string receipt_json(const engine::AppendReceipt& receipt, const formats::Records& records) {
  std::string out = "{\"accepted\":" + std::to_string(receipt.accepted) + ",\"rejected\":[";
  for (size_t i = 0; i < receipt.rejected.size(); ++i) {
    const engine::RejectedLine& rejected = receipt.rejected[i];
    uint64_t line = rejected.line == 0 ? 0 : records.line_of(rejected.line - 1);
    out += (i == 0 ? "{\"line\":" : ",{\"line\":") + std::to_string(line) + ",\"error\":";
    append_json_string(out, rejected.error);
    out += '}';
  }
  out += "],\"positions\":[";
  for (size_t i = 0; i < receipt.positions.size(); ++i) {
    const engine::AppendedRange& range = receipt.positions[i];
    out += (i == 0 ? "{\"partition\":" : ",{\"partition\":") + std::to_string(range.partition.value);
    out += ",\"first\":" + std::to_string(range.first.value) + ",\"last\":" + std::to_string(range.last.value) + "}";
  }
  out += "]}\n";
  return out;
}

/// A request whose records are on their way.
struct Append {
  std::shared_ptr<Request> request;  // the records point into its body
  formats::Records records;
  engine::AppendRequest options;
};

Result<std::shared_ptr<Append>> read_records(Context& context, std::shared_ptr<Request> request, RecordShape shape,
                                             ContentCoding coding) {
  auto append = std::make_shared<Append>();
  append->request = std::move(request);
  Request& held = *append->request;
  MR_ASSIGN(append->options, read_options(held));
  if (coding != ContentCoding::kIdentity) {
    MR_ASSIGN(held.body, unpack(coding, held.body, context.options.body_bytes_max, held.claim));
  }
  MR_ASSIGN(append->records, formats::split_records(held.body, shape, ',', context.options.records_max));
  if (append->records.records.empty()) {
    return user_error(sqlstate::kInvalidParameter, "the body holds no records")
        .with_hint("send one JSON object a line");
  }
  return append;
}

}  // namespace

void append_records(Context& context, std::shared_ptr<Request> request, std::function<void(Response)> respond) {
  auto shape = shape_of(request->content_type);
  if (!shape.ok()) return respond(error_answer(415, shape.error()));
  auto coding = parse_content_coding(request->content_encoding);
  if (!coding.ok()) return respond(error_answer(415, coding.error()));
  std::string stream = request->parameter;
  auto append = read_records(context, std::move(request), *shape, *coding);
  if (!append.ok()) return respond(error_answer(append.error()));
  context.node.append_async(stream, (*append)->records.records, (*append)->options,
                            [append = *append, respond](Result<engine::AppendReceipt> receipt) {
                              if (!receipt.ok()) return respond(error_answer(receipt.error()));
                              Response response;
                              response.body = receipt_json(*receipt, append->records);
                              respond(std::move(response));
                            });
}

}  // namespace millrace::server
