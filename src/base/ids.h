// Strong types for the numbers that must never be mixed up: an offset is not an epoch is not a partition.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace millrace {

/// An integer with a name. Arithmetic is explicit: `Offset{o.value + 1}` or `o.next()`.
template <typename Tag, typename Integer>
struct StrongId {
  using Value = Integer;
  Integer value{};

  constexpr StrongId() = default;
  constexpr explicit StrongId(Integer v) : value(v) {}
  constexpr StrongId next() const { return StrongId(static_cast<Integer>(value + 1)); }
  constexpr auto operator<=>(const StrongId&) const = default;
};

using Offset = StrongId<struct OffsetTag, int64_t>;             ///< position of a record in a partition, from 0
using PartitionId = StrongId<struct PartitionTag, int32_t>;     ///< from 0 within a stream
using StreamId = StrongId<struct StreamTag, uint32_t>;          ///< fixed at creation, never reused in a data directory
using Epoch = StrongId<struct EpochTag, uint64_t>;              ///< number of a commit, from 1
using OperatorId = StrongId<struct OperatorTag, uint32_t>;      ///< of an operator in the stored plan, never reused
using VirtualNode = StrongId<struct VirtualNodeTag, uint16_t>;  ///< 0..255: the share of the keys that moves as one

/// State is cut into this many virtual nodes by key hash, fixed for ever (design: a worker owns a range of them).
inline constexpr uint32_t kVirtualNodes = 256;

/// The virtual node of a key: the top byte of its hash, so that hash tables may use the low bits.
constexpr VirtualNode virtual_node_of(uint64_t hash) { return VirtualNode(static_cast<uint16_t>(hash >> 56)); }

}  // namespace millrace

template <typename Tag, typename Integer>
struct std::hash<millrace::StrongId<Tag, Integer>> {
  size_t operator()(millrace::StrongId<Tag, Integer> id) const noexcept { return std::hash<Integer>{}(id.value); }
};
