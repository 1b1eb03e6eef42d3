package millrace.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.data.binary.BinaryStringData;

/**
 * The events of the race, as bench/nexmark_events.cpp writes them, in memory before the clock starts.
 *
 * <p>An event, little endian: a byte for its type (0 person, 1 auction, 2 bid), then its fields in the order of the
 * Nexmark schema: 64-bit integers (times are microseconds), and texts as a 16-bit length and bytes.
 */
final class EventFile {
  private final ByteBuffer bytes;
  private final int[] offsets;

  private EventFile(ByteBuffer bytes, int[] offsets) {
    this.bytes = bytes;
    this.offsets = offsets;
  }

  /** Shared by all tasks of this process. */
  static volatile EventFile opened;

  static EventFile open(Path path) throws IOException {
    long size = Files.size(path);
    if (size > Integer.MAX_VALUE - 8) throw new IOException("more than 2 GB of events: " + path);
    ByteBuffer bytes = ByteBuffer.allocate((int) size).order(ByteOrder.LITTLE_ENDIAN);
    try (FileChannel channel = FileChannel.open(path)) {
      while (bytes.hasRemaining() && channel.read(bytes) >= 0) {}
    }
    bytes.flip();
    int[] offsets = new int[1024];
    int count = 0;
    for (int at = 0; at < bytes.limit(); at = skip(bytes, at)) {
      if (count == offsets.length) offsets = java.util.Arrays.copyOf(offsets, count * 2);
      offsets[count++] = at;
    }
    return new EventFile(bytes, java.util.Arrays.copyOf(offsets, count));
  }

  int events() {
    return offsets.length;
  }

  // The fields of each type: 'n' a number, 't' a time, 's' a text.
  private static final String[] FIELDS = {"nsssssts", "nssnnttnns", "nnnssts"};

  private static int skip(ByteBuffer bytes, int at) {
    String fields = FIELDS[bytes.get(at++)];
    for (int i = 0; i < fields.length(); ++i) {
      at += fields.charAt(i) == 's' ? 2 + Short.toUnsignedInt(bytes.getShort(at)) : 8;
    }
    return at;
  }

  /** A row of the unified table: event_type, person, auction, bid. */
  RowData row(int index) {
    int at = offsets[index];
    int type = bytes.get(at++);
    String fields = FIELDS[type];
    GenericRowData event = new GenericRowData(fields.length());
    for (int i = 0; i < fields.length(); ++i) {
      switch (fields.charAt(i)) {
        case 's' -> {
          int length = Short.toUnsignedInt(bytes.getShort(at));
          event.setField(i, BinaryStringData.fromBytes(bytes.array(), at + 2, length));
          at += 2 + length;
        }
        case 't' -> {
          event.setField(i, TimestampData.fromEpochMillis(bytes.getLong(at) / 1000));
          at += 8;
        }
        default -> {
          event.setField(i, bytes.getLong(at));
          at += 8;
        }
      }
    }
    GenericRowData row = new GenericRowData(4);
    row.setField(0, type);
    row.setField(1 + type, event);
    return row;
  }
}
