#include "batch/row_value.h"

#include <duckdb/common/types/interval.hpp>

namespace millrace::batch {

Interval canonical_interval(Interval value) {
  duckdb::interval_t interval;
  interval.months = value.months;
  interval.days = value.days;
  interval.micros = value.micros;
  duckdb::interval_t normal = interval.Normalize();
  return {normal.months, normal.days, normal.micros};
}

ValueLayout ValueLayout::of(const Type& type) {
  ValueLayout result;
  result.layout = type.layout();
  switch (type.layout()) {
    case Layout::kString: break;
    case Layout::kList: result.children.push_back(of(type.child())); break;
    case Layout::kArray:
      result.array_size = type.array_size();
      result.children.push_back(of(type.child()));
      break;
    case Layout::kStruct:
      for (size_t i = 0; i < type.struct_field_count(); ++i) result.children.push_back(of(type.struct_field_type(i)));
      break;
    case Layout::kOther: MR_CHECK(false, "a type that cannot be a row's value: " + type.name());
    default: result.width = static_cast<uint32_t>(type.width());
  }
  return result;
}

NestedView::NestedView(const ValueLayout& value_layout, const ColumnView& column)
    : layout(&value_layout), view(column) {
  for (size_t i = 0; i < value_layout.children.size(); ++i)
    children.emplace_back(value_layout.children[i], column.child(i));
}

namespace {

size_t bitmap_bytes(size_t values) { return (values + 7) / 8; }

size_t elements_bytes(const NestedView& elements, size_t first, size_t count) {
  size_t bytes = bitmap_bytes(count);
  for (size_t i = first; i < first + count; ++i) {
    if (!elements.view.is_null(i)) bytes += nested_bytes(elements, i);
  }
  return bytes;
}

char* write_elements(const NestedView& elements, size_t first, size_t count, RowForm form, char* out) {
  char* bitmap = out;
  std::memset(bitmap, 0, bitmap_bytes(count));
  out += bitmap_bytes(count);
  for (size_t i = 0; i < count; ++i) {
    if (elements.view.is_null(first + i)) {
      bitmap[i >> 3] = static_cast<char>(bitmap[i >> 3] | (1 << (i & 7)));
    } else {
      out = write_nested(elements, first + i, form, out);
    }
  }
  return out;
}

char* write_struct(const NestedView& nested, size_t row, RowForm form, char* out) {
  char* bitmap = out;
  const size_t fields = nested.children.size();
  std::memset(bitmap, 0, bitmap_bytes(fields));
  out += bitmap_bytes(fields);
  for (size_t i = 0; i < fields; ++i) {
    if (nested.children[i].view.is_null(row)) {
      bitmap[i >> 3] = static_cast<char>(bitmap[i >> 3] | (1 << (i & 7)));
    } else {
      out = write_nested(nested.children[i], row, form, out);
    }
  }
  return out;
}

template <typename T>
char* write_plain(const ColumnView& view, size_t row, RowForm form, char* out) {
  T value = form == RowForm::kKey ? canonical<true>(view.at<T>(row)) : view.at<T>(row);
  store_little(out, value);
  return out + sizeof(T);
}

Error bad_row() { return external_error(sqlstate::kDataCorrupted, "an encoded row is not what its types say"); }

bool bit(std::string_view bitmap, size_t i) { return (static_cast<uint8_t>(bitmap[i >> 3]) >> (i & 7)) & 1; }

Status read_elements(const ValueLayout& layout, ByteReader& reader, MutableColumn column, size_t first, size_t count) {
  MR_ASSIGN(std::string_view bitmap, reader.bytes(bitmap_bytes(count)));
  for (size_t i = 0; i < count; ++i) {
    if (bit(bitmap, i)) {
      column.set_null(first + i);
    } else {
      MR_TRY(read_nested(layout, reader, column, first + i));
    }
  }
  return {};
}

Status read_struct(const ValueLayout& layout, ByteReader& reader, MutableColumn column, size_t row) {
  MR_ASSIGN(std::string_view bitmap, reader.bytes(bitmap_bytes(layout.children.size())));
  for (size_t i = 0; i < layout.children.size(); ++i) {
    if (bit(bitmap, i)) {
      column.child(i).set_null(row);
    } else {
      MR_TRY(read_nested(layout.children[i], reader, column.child(i), row));
    }
  }
  return {};
}

Status read_list(const ValueLayout& layout, ByteReader& reader, MutableColumn column, size_t row) {
  MR_ASSIGN(uint64_t count, reader.varint());
  if (count / 8 > reader.remaining()) return bad_row();
  size_t first = column.add_list(row, count);
  return read_elements(layout.children[0], reader, column.child(), first, count);
}

}  // namespace

size_t nested_bytes(const NestedView& nested, size_t row) {
  switch (nested.layout->layout) {
    case Layout::kString: {
      size_t length = nested.view.at<StringRef>(row).length;
      return varint_bytes(length) + length;
    }
    case Layout::kList: {
      const ListRange& range = nested.view.at<ListRange>(row);
      return varint_bytes(range.length) + elements_bytes(nested.children[0], range.offset, range.length);
    }
    case Layout::kArray: {
      const size_t size = nested.layout->array_size;
      return elements_bytes(nested.children[0], nested.view.index(row) * size, size);
    }
    case Layout::kStruct: {
      size_t bytes = bitmap_bytes(nested.children.size());
      for (const NestedView& child : nested.children) {
        if (!child.view.is_null(row)) bytes += nested_bytes(child, row);
      }
      return bytes;
    }
    default: return nested.layout->width;
  }
}

char* write_nested(const NestedView& nested, size_t row, RowForm form, char* out) {
  switch (nested.layout->layout) {
    case Layout::kString: {
      const StringRef& text = nested.view.at<StringRef>(row);
      out = write_varint(out, text.length);
      std::memcpy(out, text.data(), text.length);
      return out + text.length;
    }
    case Layout::kList: {
      const ListRange& range = nested.view.at<ListRange>(row);
      return write_elements(nested.children[0], range.offset, range.length, form, write_varint(out, range.length));
    }
    case Layout::kArray: {
      const size_t size = nested.layout->array_size;
      return write_elements(nested.children[0], nested.view.index(row) * size, size, form, out);
    }
    case Layout::kStruct: return write_struct(nested, row, form, out);
    default:
      return with_fixed_type(nested.layout->layout,
                             [&](auto zero) { return write_plain<decltype(zero)>(nested.view, row, form, out); });
  }
}

Status read_nested(const ValueLayout& layout, ByteReader& reader, MutableColumn column, size_t row) {
  switch (layout.layout) {
    case Layout::kString: {
      MR_ASSIGN(std::string_view text, reader.string());
      column.set_string(row, text);
      return {};
    }
    case Layout::kList: return read_list(layout, reader, column, row);
    case Layout::kArray:
      return read_elements(layout.children[0], reader, column.child(), row * layout.array_size, layout.array_size);
    case Layout::kStruct: return read_struct(layout, reader, column, row);
    default: {
      MR_ASSIGN(std::string_view bytes, reader.bytes(layout.width));
      std::memcpy(column.values<char>() + row * layout.width, bytes.data(), layout.width);
      return {};
    }
  }
}

}  // namespace millrace::batch
