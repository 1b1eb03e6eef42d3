#include "state/run_filter.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"
#include "state/block.h"

namespace millrace::state {

namespace {

constexpr uint64_t kBitsPerHash = 10;
constexpr int kProbes = 6;
constexpr uint64_t kLineBits = 512;

Error damaged() { return external_error(sqlstate::kDataCorrupted, "the filter of a run of operator state is damaged"); }

}  // namespace

size_t RunFilter::line_of(uint64_t mixed) const {
  const uint64_t lines = bits_.size() / kLineWords;
  return static_cast<size_t>((static_cast<unsigned __int128>(mixed) * lines) >> 64) * kLineWords;
}

void RunFilter::add(uint64_t hash) {
  uint64_t mixed = mix64(hash);
  uint64_t* line = bits_.data() + line_of(mixed);
  for (int probe = 0; probe < kProbes; ++probe, mixed >>= 9) line[(mixed >> 6) & 7] |= uint64_t{1} << (mixed & 63);
}

bool RunFilter::may_have(uint64_t hash) const {
  uint64_t mixed = mix64(hash);
  const uint64_t* line = bits_.data() + line_of(mixed);
  uint64_t all = 1;
  for (int probe = 0; probe < kProbes; ++probe, mixed >>= 9) all &= line[(mixed >> 6) & 7] >> (mixed & 63);
  return all != 0;
}

std::pair<uint32_t, uint32_t> RunFilter::blocks_of(uint64_t hash) const {
  const auto lower = std::lower_bound(first_hashes_.begin(), first_hashes_.end(), hash);
  const auto upper = std::upper_bound(lower, first_hashes_.end(), hash);
  // The block before the first that starts at the hash may end with it.
  const auto first = lower == first_hashes_.begin() ? lower : lower - 1;
  return {static_cast<uint32_t>(first - first_hashes_.begin()), static_cast<uint32_t>(upper - first_hashes_.begin())};
}

size_t RunFilter::Builder::add_block(std::string_view block) {
  const std::string_view hashes = hashes_of_block(block);
  filter_.first_hashes_.push_back(load_little<uint64_t>(hashes.data()));
  for (size_t at = 0; at < hashes.size(); at += sizeof(uint64_t)) {
    const auto hash = load_little<uint64_t>(hashes.data() + at);
    if (hashes_.empty() || hashes_.back() != hash) hashes_.push_back(hash);
  }
  return hashes.size() / sizeof(uint64_t);
}

RunFilter RunFilter::Builder::finish() {
  filter_.first_hashes_.shrink_to_fit();
  filter_.bits_.assign((hashes_.size() * kBitsPerHash + kLineBits - 1) / kLineBits * kLineWords, 0);
  for (const uint64_t hash : hashes_) filter_.add(hash);
  return std::move(filter_);
}

RunFilter RunFilter::of_blocks(const std::vector<std::string>& blocks) {
  Builder builder;
  for (const std::string& block : blocks) builder.add_block(block);
  return builder.finish();
}

std::string RunFilter::encode() const {
  std::string out;
  append_varint(out, first_hashes_.size());
  append_varint(out, bits_.size() / kLineWords);
  for (const auto* words : {&first_hashes_, &bits_}) {
    for (const uint64_t word : *words) append_little(out, word);
  }
  append_little(out, crc32c(out));
  return out;
}

Result<RunFilter> RunFilter::decode(std::string_view bytes) {
  if (bytes.size() < sizeof(uint32_t)) return damaged();
  const std::string_view content = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  if (crc32c(content) != load_little<uint32_t>(bytes.data() + content.size())) return damaged();
  ByteReader reader(content);
  MR_ASSIGN(const uint64_t blocks, reader.varint());
  MR_ASSIGN(const uint64_t lines, reader.varint());
  const uint64_t words = reader.remaining() / sizeof(uint64_t);
  const bool fits = blocks > 0 && lines > 0 && blocks <= words && lines <= words / kLineWords &&
                    (blocks + lines * kLineWords) * sizeof(uint64_t) == reader.remaining();
  if (!fits) return damaged();
  RunFilter filter;
  const char* at = content.data() + (content.size() - reader.remaining());
  filter.first_hashes_.resize(blocks);
  filter.bits_.resize(lines * kLineWords);
  for (auto* into : {&filter.first_hashes_, &filter.bits_}) {
    for (uint64_t& word : *into) {
      word = load_little<uint64_t>(at);
      at += sizeof word;
    }
  }
  return filter;
}

}  // namespace millrace::state
