// CRC-32C in two forms. By table: eight bytes a turn ("slicing by 8", Kounavis and Berry 2005). By instruction: three
// independent streams hide the instruction's latency of three cycles; their sums are joined by multiplying with the
// operator "that many zero bytes follow", kept as 4 × 256 tables (the scheme of Mark Adler's crc32c.c, written anew).
#include <array>

#include "base/bytes.h"
#include "base/hash.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace millrace {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // 0x1EDC6F41 with its bits reversed

using ByteTable = std::array<uint32_t, 256>;

constexpr std::array<ByteTable, 8> make_slices() {
  std::array<ByteTable, 8> slices{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    slices[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (size_t slice = 1; slice < 8; ++slice) {
      const uint32_t crc = slices[slice - 1][byte];
      slices[slice][byte] = (crc >> 8) ^ slices[0][crc & 0xff];
    }
  }
  return slices;
}

constexpr std::array<ByteTable, 8> kSlices = make_slices();

uint32_t step_byte(uint32_t state, char byte) {
  return (state >> 8) ^ kSlices[0][(state ^ static_cast<uint8_t>(byte)) & 0xff];
}

#if defined(__x86_64__)

/// A linear map over 32 bits: column i is the image of bit i.
using Operator = std::array<uint32_t, 32>;

constexpr uint32_t image_of(const Operator& op, uint32_t vector) {
  uint32_t sum = 0;
  for (size_t i = 0; vector != 0; ++i, vector >>= 1) {
    if ((vector & 1) != 0) sum ^= op[i];
  }
  return sum;
}

/// What `zeros` zero bytes do to a state; `zeros` is a power of two.
constexpr Operator zeros_operator(size_t zeros) {
  Operator op{};
  for (size_t bit = 0; bit < 32; ++bit) {
    const uint32_t state = 1u << bit;
    op[bit] = (state >> 8) ^ kSlices[0][state & 0xff];
  }
  for (; zeros > 1; zeros >>= 1) {
    Operator twice{};
    for (size_t bit = 0; bit < 32; ++bit) twice[bit] = image_of(op, op[bit]);
    op = twice;
  }
  return op;
}

using ShiftTable = std::array<ByteTable, 4>;

constexpr ShiftTable make_shift(size_t zeros) {
  const Operator op = zeros_operator(zeros);
  ShiftTable table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (size_t place = 0; place < 4; ++place) table[place][byte] = image_of(op, byte << (8 * place));
  }
  return table;
}

constexpr size_t kLongBlock = 4096;
constexpr size_t kShortBlock = 256;
constexpr ShiftTable kLongShift = make_shift(kLongBlock);
constexpr ShiftTable kShortShift = make_shift(kShortBlock);

uint32_t shift(const ShiftTable& table, uint32_t state) {
  return table[0][state & 0xff] ^ table[1][(state >> 8) & 0xff] ^ table[2][(state >> 16) & 0xff] ^
         table[3][state >> 24];
}

/// Takes blocks of 3 × `block` bytes while there are any.
__attribute__((target("sse4.2"))) uint64_t three_streams(uint64_t state, const char*& at, size_t& left, size_t block,
                                                         const ShiftTable& table) {
  while (left >= 3 * block) {
    uint64_t second = 0;
    uint64_t third = 0;
    const char* end = at + block;
    for (; at < end; at += 8) {
      state = _mm_crc32_u64(state, load_little<uint64_t>(at));
      second = _mm_crc32_u64(second, load_little<uint64_t>(at + block));
      third = _mm_crc32_u64(third, load_little<uint64_t>(at + 2 * block));
    }
    state = shift(table, static_cast<uint32_t>(state)) ^ second;
    state = shift(table, static_cast<uint32_t>(state)) ^ third;
    at += 2 * block;
    left -= 3 * block;
  }
  return state;
}

__attribute__((target("sse4.2"))) uint32_t crc32c_by_instruction(std::string_view bytes, uint32_t initial) {
  uint64_t state = ~initial;
  const char* at = bytes.data();
  size_t left = bytes.size();
  state = three_streams(state, at, left, kLongBlock, kLongShift);
  state = three_streams(state, at, left, kShortBlock, kShortShift);
  for (; left >= 8; at += 8, left -= 8) state = _mm_crc32_u64(state, load_little<uint64_t>(at));
  auto narrow = static_cast<uint32_t>(state);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, static_cast<uint8_t>(*at));
  return ~narrow;
}

#endif

}  // namespace

uint32_t crc32c_by_table(std::string_view bytes, uint32_t initial) {
  uint32_t state = ~initial;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    const uint64_t word = load_little<uint64_t>(at) ^ state;
    state = 0;
    for (size_t i = 0; i < 8; ++i) state ^= kSlices[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; left > 0; ++at, --left) state = step_byte(state, *at);
  return ~state;
}

uint32_t crc32c(std::string_view bytes, uint32_t initial) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_by_instruction(bytes, initial);
#endif
  return crc32c_by_table(bytes, initial);
}

}  // namespace millrace
