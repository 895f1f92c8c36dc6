import java.util.Arrays;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Load by Kafka's Java client, of servers that speak its protocol: what the programs of other brokers
 * are beside. One producer serves all threads, as it is made for, with acks=all. Topics are made by
 * the bench.
 */
final class KafkaProgram extends LoadProgram {
  private final String address;

  private KafkaProgram(String address) {
    this.address = address;
  }

  public static void main(String[] args) throws Exception {
    new KafkaProgram(args[0]).run(Arrays.copyOfRange(args, 1, args.length));
  }

  @Override
  void create(String topic, int partitions) {
    throw new UnsupportedOperationException("create");
  }

  @Override
  void delete(String topic) {
    throw new UnsupportedOperationException("delete");
  }

  @Override
  Producer producer(String topic) {
    final Map<String, Object> settings =
        Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, address,
            ProducerConfig.ACKS_CONFIG, "all",
            ProducerConfig.LINGER_MS_CONFIG, 0,
            ProducerConfig.BATCH_SIZE_CONFIG, 64 * 1024,
            ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, false,
            ProducerConfig.RETRIES_CONFIG, 0);
    final ByteArraySerializer bytes = new ByteArraySerializer();
    return new TopicProducer(new KafkaProducer<>(settings, bytes, bytes), topic);
  }

  private static final class TopicProducer implements Producer {
    private final KafkaProducer<byte[], byte[]> producer;
    private final String topic;

    TopicProducer(KafkaProducer<byte[], byte[]> producer, String topic) {
      this.producer = producer;
      this.topic = topic;
    }

    @Override
    public void send(byte[] value) throws Exception {
      producer.send(new ProducerRecord<>(topic, value)).get();
    }

    @Override
    public void sendMany(byte[] value, int records) {
      throw new UnsupportedOperationException("many records: by ProducerPerformance");
    }

    @Override
    public void close() {
      producer.close();
    }
  }
}
