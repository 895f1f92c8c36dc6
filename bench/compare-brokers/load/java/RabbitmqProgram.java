import com.rabbitmq.stream.ConfirmationHandler;
import com.rabbitmq.stream.Environment;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Load of RabbitMQ streams. A topic is one stream, whatever its partitions are; batches and the number
 * of unconfirmed records are the defaults of the client, 100 and 10,000.
 */
final class RabbitmqProgram extends LoadProgram {
  private static final int TIMEOUT_S = 60;

  private final String address;

  private RabbitmqProgram(String address) {
    this.address = address;
  }

  public static void main(String[] args) throws Exception {
    new RabbitmqProgram(args[0]).run(Arrays.copyOfRange(args, 1, args.length));
    System.exit(0); // Threads of the client may stay.
  }

  private Environment environment() {
    return Environment.builder().uri("rabbitmq-stream://guest:guest@" + address).build();
  }

  @Override
  void create(String topic, int partitions) {
    try (Environment environment = environment()) {
      environment.streamCreator().stream(topic).create();
    }
  }

  @Override
  void delete(String topic) {
    try (Environment environment = environment()) {
      environment.deleteStream(topic);
    }
  }

  @Override
  Producer producer(String topic) {
    final Environment environment = environment();
    return new StreamProducer(environment, environment.producerBuilder().stream(topic).build());
  }

  private static final class StreamProducer implements Producer {
    private final Environment environment;
    private final com.rabbitmq.stream.Producer producer;

    StreamProducer(Environment environment, com.rabbitmq.stream.Producer producer) {
      this.environment = environment;
      this.producer = producer;
    }

    @Override
    public void send(byte[] value) throws Exception {
      sendMany(value, 1);
    }

    @Override
    public void sendMany(byte[] value, int records) throws Exception {
      final CountDownLatch left = new CountDownLatch(records);
      final AtomicInteger refused = new AtomicInteger();
      final ConfirmationHandler handler =
          status -> {
            if (!status.isConfirmed()) refused.incrementAndGet();
            left.countDown();
          };
      for (int at = 0; at < records; at++) {
        producer.send(producer.messageBuilder().addData(value).build(), handler);
      }
      final boolean answered = left.await(TIMEOUT_S, TimeUnit.SECONDS);
      if (answered && refused.get() == 0) return;
      throw new IllegalStateException(left.getCount() + " unanswered, " + refused + " refused");
    }

    @Override
    public void close() {
      producer.close();
      environment.close();
    }
  }
}
