import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.LongStream;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.RollCycles;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;

/**
 * The work of bench/compare/workload.ts on Chronicle Queue: one excerpt a value, written through a
 * mapped file, never synced. Arguments: directory, records, valueBytes, batchRecords, warmUpBatches,
 * singleAppends, randomReads, steadyMs. Prints the measures as one line of JSON, without what only the caller
 * knows.
 */
final class ChronicleRun {
  private static final int READ_AT_ONCE = 100;

  /** The default: excerpts of one day are numbered from 0. */
  private static final RollCycles CYCLE = RollCycles.FAST_DAILY;

  private final Path directory;
  private final int valueBytes;
  private final Bytes<?>[] values;

  private long readBytes;
  private long readSum;

  private ChronicleRun(Path directory, int valueBytes, int batchRecords) {
    this.directory = directory;
    this.valueBytes = valueBytes;
    this.values = seededValues(batchRecords, valueBytes, 1);
  }

  public static void main(String[] args) throws IOException {
    final int[] numbers = Arrays.stream(args).skip(1).mapToInt(Integer::parseInt).toArray();
    final ChronicleRun run = new ChronicleRun(Path.of(args[0]), numbers[1], numbers[2]);
    System.out.println(run.measure(numbers[0], numbers[3], numbers[4], numbers[5], numbers[6]));
  }

  private String measure(
      int records, int warmUpBatches, int singleAppends, int randomReads, int steadyMs)
      throws IOException {
    final int timedBatches = records / values.length - warmUpBatches;
    final long[] warmUpNs;
    final long[] batchNs;
    final long appendNs;
    final long appendCpuNs;
    try (ChronicleQueue queue = open();
        ExcerptAppender appender = queue.createAppender()) {
      warmUpNs = appendBatches(appender, warmUpBatches, steadyMs);
      final long cpuBefore = cpuNs();
      batchNs = appendBatches(appender, timedBatches, steadyMs);
      appendNs = Arrays.stream(batchNs).sum();
      appendCpuNs = cpuNs() - cpuBefore;
    }
    final long openStart = System.nanoTime();
    try (ChronicleQueue queue = open();
        ExcerptTailer tailer = queue.createTailer();
        ExcerptAppender appender = queue.createAppender()) {
      final long firstIndex = queue.firstIndex();
      final long openNs = System.nanoTime() - openStart;
      readAll(tailer, firstIndex, records, steadyMs);
      final long cpuBefore = cpuNs();
      final Passes read = readAll(tailer, firstIndex, records, steadyMs);
      final long readNs = read.ns() / read.count();
      final long readCpuNs = (cpuNs() - cpuBefore) / read.count();
      expectTotals(records);
      final long sum = readSum;
      final long[] hundredNs = readRandomly(tailer, firstIndex, records, randomReads);
      final long[] singleNs = appendSingly(appender, singleAppends);
      final double appended = batchNs.length * (double) values.length;
      final double appendRate = appended / (appendNs / 1e9);
      final double readRate = records / (readNs / 1e9);
      return "{\"engine\":\"chronicle-queue\""
          + ",\"appendRecordsPerSecond\":" + appendRate
          + ",\"appendMBPerSecond\":" + appendRate * valueBytes / 1e6
          + ",\"appendCpuNs\":" + appendCpuNs / appended
          + ",\"appendBatch\":" + latency(batchNs)
          + ",\"appendSingle\":" + latency(singleNs)
          + ",\"readRecordsPerSecond\":" + readRate
          + ",\"readMBPerSecond\":" + readRate * valueBytes / 1e6
          + ",\"readCpuNs\":" + readCpuNs / (double) records
          + ",\"readHundred\":" + latency(hundredNs)
          + ",\"openMs\":" + openNs / 1e6
          + ",\"appended\":" + (warmUpNs.length + batchNs.length) * (long) values.length
          + ",\"peakMemoryBytes\":" + peakMemoryBytes()
          + ",\"sum\":" + sum + "}";
    }
  }

  private ChronicleQueue open() {
    return SingleChronicleQueueBuilder.binary(directory.toFile()).rollCycle(CYCLE).build();
  }

  /** At least {@code count} batches, and as many as take {@code minMs}. Returns the ns of each. */
  private long[] appendBatches(ExcerptAppender appender, int count, int minMs) {
    final LongStream.Builder samples = LongStream.builder();
    final long start = System.nanoTime();
    long before = start;
    for (int batch = 0; batch < count || before - start < minMs * 1_000_000L; batch++) {
      for (final Bytes<?> value : values) appender.writeBytes(value);
      final long now = System.nanoTime();
      samples.add(now - before);
      before = now;
    }
    return samples.build().toArray();
  }

  /** Nanoseconds of reading all in order; what was read is in readBytes and readSum. */
  private record Passes(int count, long ns) {}

  /** One pass, and others until {@code steadyMs} have gone by. */
  private Passes readAll(ExcerptTailer tailer, long firstIndex, int records, int steadyMs) {
    final long start = System.nanoTime();
    int count = 0;
    long ns;
    do {
      read(tailer, firstIndex, records);
      count++;
      ns = System.nanoTime() - start;
    } while (ns < steadyMs * 1_000_000L);
    return new Passes(count, ns);
  }

  private void read(ExcerptTailer tailer, long index, int count) {
    readBytes = 0;
    readSum = 0;
    if (!tailer.moveToIndex(index)) throw new IllegalStateException("no excerpt at " + index);
    final Bytes<?> target = Bytes.allocateElasticDirect(valueBytes);
    for (int i = 0; i < count; i++) {
      target.clear();
      if (!tailer.readBytes(target)) throw new IllegalStateException("it ends after " + i);
      readBytes += target.readRemaining();
      readSum += target.peekUnsignedByte();
    }
    target.releaseLast();
  }

  private void expectTotals(int records) {
    long sumOfBatch = 0;
    for (final Bytes<?> value : values) sumOfBatch += value.peekUnsignedByte();
    final long expected = sumOfBatch * (records / values.length);
    if (readBytes == (long) records * valueBytes && readSum == expected) return;
    throw new IllegalStateException("read " + readBytes + " B with sum " + readSum);
  }

  private long[] readRandomly(ExcerptTailer tailer, long firstIndex, int records, int reads) {
    final SeededRandom random = new SeededRandom(2);
    final long[] samples = new long[reads];
    for (int i = 0; i < reads; i++) {
      final long from = (long) (random.next() * (records - READ_AT_ONCE));
      final long start = System.nanoTime();
      read(tailer, firstIndex + from, READ_AT_ONCE);
      samples[i] = System.nanoTime() - start;
    }
    return samples;
  }

  private long[] appendSingly(ExcerptAppender appender, int count) {
    final long[] samples = new long[count];
    for (int i = 0; i < count; i++) {
      final long start = System.nanoTime();
      appender.writeBytes(values[i % values.length]);
      samples[i] = System.nanoTime() - start;
    }
    return samples;
  }

  private static String latency(long[] samples) {
    Arrays.sort(samples);
    return "{\"p50Us\":" + percentileUs(samples, 0.5)
        + ",\"p99Us\":" + percentileUs(samples, 0.99)
        + ",\"p999Us\":" + percentileUs(samples, 0.999) + "}";
  }

  /** Nearest rank. */
  private static double percentileUs(long[] sorted, double share) {
    return sorted[Math.max(1, (int) Math.ceil(share * sorted.length)) - 1] / 1e3;
  }

  /** User and system time of all threads so far. */
  private static long cpuNs() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static long peakMemoryBytes() throws IOException {
    for (final String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
    }
    return 0;
  }

  private static Bytes<?>[] seededValues(int count, int valueBytes, int seed) {
    final SeededRandom random = new SeededRandom(seed);
    final Bytes<?>[] made = new Bytes<?>[count];
    for (int i = 0; i < count; i++) {
      made[i] = Bytes.allocateDirect(valueBytes);
      for (int at = 0; at < valueBytes; at++) made[i].writeUnsignedByte((int) (random.next() * 256));
    }
    return made;
  }

  /** Mulberry32, as in bench/support/seeded.ts: the same values, so sums can be compared. */
  private static final class SeededRandom {
    private int state;

    SeededRandom(int seed) {
      state = seed;
    }

    /** Uniform in [0, 1). */
    double next() {
      state += 0x6d2b79f5;
      int mixed = (state ^ (state >>> 15)) * (state | 1);
      mixed ^= mixed + (mixed ^ (mixed >>> 7)) * (mixed | 61);
      return Integer.toUnsignedLong(mixed ^ (mixed >>> 14)) / 4294967296.0;
    }
  }
}
