import java.util.Collections;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.command.CommandUtil;

/**
 * Load of RocketMQ. A partition of a topic is a queue. One producer serves all threads, as it is made
 * for. The address is that of the name server; the cluster has the name `bench`.
 */
final class RocketmqProgram extends LoadProgram {
  private static final String CLUSTER = "bench";

  /** Of a batch that is sent without waiting for the one before: 64 KiB of records of 1 KiB. */
  private static final int BATCH_RECORDS = 64;

  private static final int BATCHES_IN_FLIGHT = 32;
  private static final int TIMEOUT_MS = 30_000;

  private final String nameServer;

  private RocketmqProgram(String nameServer) {
    this.nameServer = nameServer;
  }

  public static void main(String[] args) throws Exception {
    new RocketmqProgram(args[0]).run(java.util.Arrays.copyOfRange(args, 1, args.length));
    System.exit(0); // Threads of the client may stay.
  }

  @Override
  void create(String topic, int partitions) throws Exception {
    administer(
        (admin, broker) ->
            admin.createAndUpdateTopicConfig(broker, new TopicConfig(topic, partitions, partitions)));
  }

  @Override
  void delete(String topic) throws Exception {
    administer(
        (admin, broker) -> {
          admin.deleteTopicInBroker(Set.of(broker), topic);
          admin.deleteTopicInNameServer(Set.of(nameServer), topic);
        });
  }

  private interface Work {
    void on(DefaultMQAdminExt admin, String broker) throws Exception;
  }

  private void administer(Work work) throws Exception {
    final DefaultMQAdminExt admin = new DefaultMQAdminExt(TIMEOUT_MS);
    admin.setNamesrvAddr(nameServer);
    admin.start();
    try {
      final Set<String> brokers = CommandUtil.fetchMasterAddrByClusterName(admin, CLUSTER);
      for (final String broker : brokers) work.on(admin, broker);
    } finally {
      admin.shutdown();
    }
  }

  @Override
  Producer producer(String topic) throws Exception {
    final DefaultMQProducer producer = new DefaultMQProducer("bench");
    producer.setNamesrvAddr(nameServer);
    producer.setSendMsgTimeout(TIMEOUT_MS);
    producer.setRetryTimesWhenSendFailed(0);
    producer.setRetryTimesWhenSendAsyncFailed(0);
    producer.start();
    return new TopicProducer(producer, topic);
  }

  private static final class TopicProducer implements Producer {
    private final DefaultMQProducer producer;
    private final String topic;

    TopicProducer(DefaultMQProducer producer, String topic) {
      this.producer = producer;
      this.topic = topic;
    }

    @Override
    public void send(byte[] value) throws Exception {
      check(producer.send(new Message(topic, value)));
    }

    @Override
    public void sendMany(byte[] value, int records) throws Exception {
      final Semaphore free = new Semaphore(BATCHES_IN_FLIGHT);
      final AtomicReference<Throwable> failure = new AtomicReference<>();
      final SendCallback callback =
          new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
              try {
                check(result);
              } catch (IllegalStateException error) {
                failure.compareAndSet(null, error);
              }
              free.release();
            }

            @Override
            public void onException(Throwable error) {
              failure.compareAndSet(null, error);
              free.release();
            }
          };
      for (int left = records; left > 0 && failure.get() == null; left -= BATCH_RECORDS) {
        take(free, 1);
        final int count = Math.min(left, BATCH_RECORDS);
        producer.send(Collections.nCopies(count, new Message(topic, value)), callback);
      }
      take(free, BATCHES_IN_FLIGHT);
      if (failure.get() != null) throw new IllegalStateException(failure.get());
    }

    private static void take(Semaphore free, int permits) throws Exception {
      if (free.tryAcquire(permits, 2 * TIMEOUT_MS, TimeUnit.MILLISECONDS)) return;
      throw new IllegalStateException("a batch was not answered");
    }

    /** A status that is not SEND_OK means less than was asked for: FLUSH_DISK_TIMEOUT, for one. */
    private static void check(SendResult result) {
      final SendStatus status = result.getSendStatus();
      if (status != SendStatus.SEND_OK) throw new IllegalStateException(status.name());
    }

    @Override
    public void close() {
      producer.shutdown();
    }
  }
}
