package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

var codecs = []sarama.CompressionCodec{
	sarama.CompressionNone,
	sarama.CompressionGZIP,
	sarama.CompressionSnappy,
	sarama.CompressionLZ4,
	sarama.CompressionZSTD,
}

func (s *suite) checkProducers() {
	for _, codec := range codecs {
		if codec == sarama.CompressionZSTD && !s.has(sarama.V2_1_0_0) {
			continue
		}
		s.check(fmt.Sprintf("sync producer, %v", codec), func() error { return s.syncProducer(codec) })
		s.check(fmt.Sprintf("async producer, %v", codec), func() error { return s.asyncProducer(codec) })
	}
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionSnappy} {
		s.check(fmt.Sprintf("idempotent producer, %v", codec), func() error {
			return s.idempotentProducer(codec)
		})
	}
	s.check("acks 1", func() error { return s.acks(sarama.WaitForLocal) })
	s.check("acks 0, then acks 1 sees it", func() error { return s.acks(sarama.NoResponse) })
	s.check("null and empty keys and values", s.emptyRecords)
	s.check("900 KB record", func() error { return s.sized(900_000, nil) })
	s.check("record above max.message.bytes", func() error {
		return s.sized(2_000_000, sarama.ErrMessageSizeTooLarge)
	})
	s.check("topic created on first use", s.createdOnUse)
}

func message(topic string, n int) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{
		Topic: topic,
		Key:   sarama.StringEncoder(fmt.Sprintf("key-%d", n)),
		Value: sarama.StringEncoder(fmt.Sprintf("value-%d-%s", n, strings.Repeat("x", n%200))),
		Headers: []sarama.RecordHeader{
			{Key: []byte("n"), Value: []byte(fmt.Sprint(n))},
			{Key: []byte("empty"), Value: []byte{}},
		},
		Timestamp: time.UnixMilli(1_600_000_000_000 + int64(n)),
	}
}

func isMessage(got *sarama.ConsumerMessage, n int) error {
	wanted := message(got.Topic, n)
	key, _ := wanted.Key.Encode()
	value, _ := wanted.Value.Encode()
	return errors.Join(
		expect("key", string(got.Key), string(key)),
		expect("value", string(got.Value), string(value)),
		expect("number of headers", len(got.Headers), 2),
		expect("header", string(got.Headers[0].Value), n),
		expect("timestamp", got.Timestamp.UnixMilli(), wanted.Timestamp.UnixMilli()),
	)
}

func (s *suite) syncProducer(codec sarama.CompressionCodec) error {
	const count = 300
	topic, err := s.newTopic(3, nil)
	if err != nil {
		return err
	}
	config := s.config()
	config.Producer.Compression = codec
	config.Producer.RequiredAcks = sarama.WaitForAll
	producer, err := sarama.NewSyncProducer(s.brokers(), config)
	if err != nil {
		return err
	}
	defer producer.Close()
	for n := 0; n < 20; n++ {
		if _, _, err := producer.SendMessage(message(topic, n)); err != nil {
			return err
		}
	}
	var messages []*sarama.ProducerMessage
	for n := 20; n < count; n++ {
		messages = append(messages, message(topic, n))
	}
	if err := producer.SendMessages(messages); err != nil {
		return err
	}
	return s.holdsAll(topic, 3, count)
}

func (s *suite) asyncProducer(codec sarama.CompressionCodec) error {
	const count = 5_000
	topic, err := s.newTopic(3, nil)
	if err != nil {
		return err
	}
	config := s.config()
	config.Producer.Compression = codec
	config.Producer.Flush.Messages = 500
	config.Producer.Flush.Frequency = 10 * time.Millisecond
	if err := s.produceAsync(config, topic, count); err != nil {
		return err
	}
	return s.holdsAll(topic, 3, count)
}

func (s *suite) idempotentProducer(codec sarama.CompressionCodec) error {
	const count = 5_000
	topic, err := s.newTopic(3, nil)
	if err != nil {
		return err
	}
	config := s.config()
	config.Producer.Compression = codec
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	// Twice: two producers, two producer ids, in the same logs.
	for round := 0; round < 2; round++ {
		if err := s.produceAsync(config, fmt.Sprint(topic), count/2*(round+1), count/2*round); err != nil {
			return err
		}
	}
	return s.holdsAll(topic, 3, count)
}

// produceAsync sends the messages from the optional first up to count, and waits for all acks.
func (s *suite) produceAsync(config *sarama.Config, topic string, count int, first ...int) error {
	producer, err := sarama.NewAsyncProducer(s.brokers(), config)
	if err != nil {
		return err
	}
	from := 0
	if len(first) > 0 {
		from = first[0]
	}
	go func() {
		for n := from; n < count; n++ {
			producer.Input() <- message(topic, n)
		}
	}()
	var failures []error
	for answered := from; answered < count; answered++ {
		select {
		case <-producer.Successes():
		case failure := <-producer.Errors():
			failures = append(failures, failure.Err)
		}
	}
	if err := producer.Close(); err != nil {
		return err
	}
	if len(failures) > 0 {
		return fmt.Errorf("%d of %d failed, the first with %w", len(failures), count-from, failures[0])
	}
	return nil
}

// holdsAll reads all partitions: every message up to count is there once, in the order of its
// partition, under dense offsets.
func (s *suite) holdsAll(topic string, partitions int32, count int) error {
	seen := make(map[int]bool)
	for partition := int32(0); partition < partitions; partition++ {
		got, err := s.readToEnd(topic, partition)
		if err != nil {
			return err
		}
		last := -1
		for i, record := range got {
			var n int
			if _, err := fmt.Sscanf(string(record.Key), "key-%d", &n); err != nil {
				return fmt.Errorf("key %q: %w", record.Key, err)
			}
			if err := isMessage(record, n); err != nil {
				return err
			}
			if err := expect("offset", record.Offset, i); err != nil {
				return err
			}
			if n <= last || seen[n] {
				return fmt.Errorf("message %d after %d in partition %d, or twice", n, last, partition)
			}
			last, seen[n] = n, true
		}
	}
	return expect("number of messages", len(seen), count)
}

func (s *suite) acks(acks sarama.RequiredAcks) error {
	topic, err := s.newTopic(1, nil)
	if err != nil {
		return err
	}
	config := s.config()
	config.Producer.RequiredAcks = acks
	if err := s.produceAsync(config, topic, 100); err != nil {
		return err
	}
	if acks == sarama.NoResponse {
		// Another connection may overtake what nobody has answered for.
		if err := s.waitForOffset(topic, 0, 100); err != nil {
			return err
		}
		config = s.config()
		if err := s.produceAsync(config, topic, 101, 100); err != nil {
			return err
		}
		return s.holdsAll(topic, 1, 101)
	}
	return s.holdsAll(topic, 1, 100)
}

func (s *suite) waitForOffset(topic string, partition int32, offset int64) error {
	client, err := sarama.NewClient(s.brokers(), s.config())
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		found, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
		if err != nil || found >= offset {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *suite) emptyRecords() error {
	topic, err := s.newTopic(1, nil)
	if err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(s.brokers(), s.config())
	if err != nil {
		return err
	}
	defer producer.Close()
	for _, m := range []*sarama.ProducerMessage{
		{Topic: topic},
		{Topic: topic, Key: sarama.StringEncoder("k")},
		{Topic: topic, Key: sarama.ByteEncoder{}, Value: sarama.ByteEncoder{}},
	} {
		if _, _, err := producer.SendMessage(m); err != nil {
			return err
		}
	}
	got, err := s.readToEnd(topic, 0)
	if err != nil {
		return err
	}
	if err := expect("number of records", len(got), 3); err != nil {
		return err
	}
	return errors.Join(
		expect("key 0 is null", got[0].Key == nil, true),
		expect("value 0 is null", got[0].Value == nil, true),
		expect("key 1", string(got[1].Key), "k"),
		expect("value 1 is null", got[1].Value == nil, true),
		expect("value 2 is empty and not null", got[2].Value != nil && len(got[2].Value) == 0, true),
	)
}

func (s *suite) sized(bytes int, expected error) error {
	topic, err := s.newTopic(1, map[string]*string{"max.message.bytes": new("1000000")})
	if err != nil {
		return err
	}
	config := s.config()
	config.Producer.MaxMessageBytes = 10_000_000
	producer, err := sarama.NewSyncProducer(s.brokers(), config)
	if err != nil {
		return err
	}
	defer producer.Close()
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{
		Topic: topic, Value: sarama.StringEncoder(strings.Repeat("y", bytes)),
	})
	if expected != nil {
		return expectError(err, expected)
	}
	if err != nil {
		return err
	}
	got, err := s.readToEnd(topic, 0)
	if err != nil {
		return err
	}
	return expect("size of the record", len(got[0].Value), bytes)
}

func (s *suite) createdOnUse() error {
	topic := s.freshName("auto")
	if err := s.produceAsync(s.config(), topic, 10); err != nil {
		return err
	}
	return s.holdsAll(topic, 1, 10)
}
