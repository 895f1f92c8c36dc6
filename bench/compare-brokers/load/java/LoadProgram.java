import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Load by a broker's own Java client; each broker has a subclass. Arguments: address, and then
 *
 * <pre>
 * create  topic partitions
 * delete  topic
 * produce topic records valueBytes producers each|many latencies
 * </pre>
 *
 * <p>With `each`, every producer is a thread that waits for the acknowledgement of a record before it
 * sends the next. A JVM is slow at first: for {@link #WARM_UP_MS} the same is done to the same topic
 * before the time begins. `latencies` is a file for the microseconds of one producer's records, a line
 * each, or `-`. Prints what was produced as one line; a record that failed ends the program.
 */
abstract class LoadProgram {
  private static final long WARM_UP_MS = 2_000;
  private static final int WARM_UP_PIECE_EACH = 16;
  private static final int WARM_UP_PIECE_MANY = 4_096;

  interface Producer extends AutoCloseable {
    /** Returns when the record is acknowledged. Called by several threads at once. */
    void send(byte[] value) throws Exception;

    /** Sends one value many times, and returns when all records are acknowledged. */
    void sendMany(byte[] value, int records) throws Exception;
  }

  abstract void create(String topic, int partitions) throws Exception;

  abstract void delete(String topic) throws Exception;

  abstract Producer producer(String topic) throws Exception;

  /** The arguments without the address. */
  final void run(String[] args) throws Exception {
    final String topic = args[1];
    switch (args[0]) {
      case "create" -> create(topic, Integer.parseInt(args[2]));
      case "delete" -> delete(topic);
      case "produce" -> {
        final int[] numbers = Arrays.stream(args, 2, 5).mapToInt(Integer::parseInt).toArray();
        try (Producer producer = producer(topic);
            Run run = new Run(producer, numbers[1], numbers[2], args[5].equals("each"))) {
          System.out.println(run.measure(numbers[0], args[6]));
        }
      }
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static final class Run implements AutoCloseable {
    private final Producer producer;
    private final byte[] value;
    private final int producers;
    private final boolean each;
    private final ExecutorService threads;

    Run(Producer producer, int valueBytes, int producers, boolean each) {
      if (!each && producers != 1) throw new IllegalArgumentException("several with many records");
      this.producer = producer;
      this.value = new byte[valueBytes];
      Arrays.fill(value, (byte) 'x');
      this.producers = producers;
      this.each = each;
      this.threads = Executors.newFixedThreadPool(producers);
    }

    String measure(int records, String latencies) throws Exception {
      final int piece = each ? WARM_UP_PIECE_EACH * producers : WARM_UP_PIECE_MANY;
      final long warmUntil = System.nanoTime() + WARM_UP_MS * 1_000_000;
      long warmUp = 0;
      for (; System.nanoTime() < warmUntil; warmUp += piece) produce(piece, null);
      final long[] latencyNs = latencies.equals("-") ? null : new long[records];
      final long start = System.nanoTime();
      produce(records, latencyNs);
      final long us = (System.nanoTime() - start) / 1_000;
      if (latencyNs != null) write(Path.of(latencies), latencyNs);
      return String.format("%d records in %d us, after %d to warm up", records, us, warmUp);
    }

    private void produce(int records, long[] latencyNs) throws Exception {
      if (!each) {
        producer.sendMany(value, records);
        return;
      }
      final List<Future<?>> shares = new ArrayList<>();
      for (int at = 0; at < producers; at++) {
        final int share = records * (at + 1) / producers - records * at / producers;
        shares.add(threads.submit(() -> sendEach(share, latencyNs)));
      }
      for (final Future<?> share : shares) share.get();
    }

    private Void sendEach(int records, long[] latencyNs) throws Exception {
      for (int at = 0; at < records; at++) {
        final long before = System.nanoTime();
        producer.send(value);
        if (latencyNs != null) latencyNs[at] = System.nanoTime() - before;
      }
      return null;
    }

    private static void write(Path path, long[] latencyNs) throws IOException {
      Files.write(path, Arrays.stream(latencyNs).mapToObj(ns -> "" + ns / 1_000).toList());
    }

    @Override
    public void close() {
      threads.shutdownNow();
    }
  }
}
