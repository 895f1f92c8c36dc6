package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

func (s *suite) checkConsumer() {
	s.check("consumer from the newest offset", s.fromNewest)
	s.check("consumer from an offset within a batch", s.fromTheMiddle)
	s.check("consumer beyond the end", s.beyondTheEnd)
	s.check("offset for a timestamp", s.offsetForTime)
	s.check("partition consumers of all partitions at once", s.allAtOnce)
	s.check("consumer waits for what comes", s.longPoll)
}

// readToEnd reads a partition up to the end it has when the call begins.
func (s *suite) readToEnd(topic string, partition int32) ([]*sarama.ConsumerMessage, error) {
	client, err := sarama.NewClient(s.brokers(), s.config())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
	if err != nil {
		return nil, err
	}
	start, err := client.GetOffset(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	return take(consumer, topic, partition, start, int(end-start))
}

// take reads count records from an offset on.
func take(
	consumer sarama.Consumer, topic string, partition int32, offset int64, count int,
) ([]*sarama.ConsumerMessage, error) {
	reader, err := consumer.ConsumePartition(topic, partition, offset)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var got []*sarama.ConsumerMessage
	for len(got) < count {
		select {
		case record := <-reader.Messages():
			got = append(got, record)
		case err := <-reader.Errors():
			return nil, err
		case <-time.After(20 * time.Second):
			return nil, fmt.Errorf("%d of %d records of partition %d", len(got), count, partition)
		}
	}
	return got, nil
}

func (s *suite) filled(partitions int32, count int) (string, sarama.Client, sarama.Consumer, error) {
	topic, err := s.newTopic(partitions, nil)
	if err != nil {
		return "", nil, nil, err
	}
	config := s.config()
	config.Producer.Flush.Messages = count
	config.Producer.Flush.Frequency = 50 * time.Millisecond
	if err := s.produceAsync(config, topic, count); err != nil {
		return "", nil, nil, err
	}
	client, err := sarama.NewClient(s.brokers(), s.config())
	if err != nil {
		return "", nil, nil, err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	return topic, client, consumer, err
}

func (s *suite) fromNewest() error {
	topic, client, consumer, err := s.filled(1, 10)
	if err != nil {
		return err
	}
	defer client.Close()
	reader, err := consumer.ConsumePartition(topic, 0, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	defer reader.Close()
	if err := s.produceAsync(s.config(), topic, 11, 10); err != nil {
		return err
	}
	return errors.Join(nextIs(reader, 10), expect("high watermark", reader.HighWaterMarkOffset(), 11))
}

func nextIs(reader sarama.PartitionConsumer, n int) error {
	select {
	case record := <-reader.Messages():
		return errors.Join(isMessage(record, n), expect("offset", record.Offset, n))
	case err := <-reader.Errors():
		return err
	}
}

func (s *suite) fromTheMiddle() error {
	topic, client, consumer, err := s.filled(1, 1_000)
	if err != nil {
		return err
	}
	defer client.Close()
	got, err := take(consumer, topic, 0, 617, 383)
	if err != nil {
		return err
	}
	return errors.Join(isMessage(got[0], 617), isMessage(got[382], 999))
}

func (s *suite) beyondTheEnd() error {
	topic, client, consumer, err := s.filled(1, 10)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = consumer.ConsumePartition(topic, 0, 11)
	return expectError(err, sarama.ErrOffsetOutOfRange)
}

func (s *suite) offsetForTime() error {
	topic, client, _, err := s.filled(1, 100)
	if err != nil {
		return err
	}
	defer client.Close()
	at, err := client.GetOffset(topic, 0, 1_600_000_000_042)
	if err != nil {
		return err
	}
	after, err := client.GetOffset(topic, 0, 1_600_000_001_000)
	return errors.Join(err, expect("offset", at, 42), expect("offset after the last", after, -1))
}

func (s *suite) allAtOnce() error {
	const partitions, count = 8, 4_000
	topic, client, consumer, err := s.filled(partitions, count)
	if err != nil {
		return err
	}
	defer client.Close()
	records := make(chan *sarama.ConsumerMessage)
	done := make(chan struct{})
	defer close(done)
	for partition := int32(0); partition < partitions; partition++ {
		reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		defer reader.AsyncClose()
		go func() {
			for record := range reader.Messages() {
				select {
				case records <- record:
				case <-done:
				}
			}
		}()
	}
	seen := make(map[string]bool)
	for len(seen) < count {
		select {
		case record := <-records:
			if seen[string(record.Key)] {
				return fmt.Errorf("%s twice", record.Key)
			}
			seen[string(record.Key)] = true
		case <-time.After(20 * time.Second):
			return fmt.Errorf("%d of %d records", len(seen), count)
		}
	}
	return nil
}

func (s *suite) longPoll() error {
	topic, client, consumer, err := s.filled(1, 1)
	if err != nil {
		return err
	}
	defer client.Close()
	reader, err := consumer.ConsumePartition(topic, 0, 1)
	if err != nil {
		return err
	}
	defer reader.Close()
	for n := 1; n < 20; n++ {
		if err := s.produceAsync(s.config(), topic, n+1, n); err != nil {
			return err
		}
		if err := nextIs(reader, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) checkOffsetManager() {
	s.check("offset manager", func() error {
		topic, client, _, err := s.filled(1, 10)
		if err != nil {
			return err
		}
		defer client.Close()
		group := s.freshName("group")
		for next := int64(0); next < 3; next++ {
			manager, err := sarama.NewOffsetManagerFromClient(group, client)
			if err != nil {
				return err
			}
			of, err := manager.ManagePartition(topic, 0)
			if err != nil {
				return err
			}
			offset, metadata := of.NextOffset()
			wanted, said := next, fmt.Sprint("after ", next)
			if next == 0 {
				wanted, said = sarama.OffsetOldest, ""
			}
			if err := errors.Join(expect("offset", offset, wanted), expect("text", metadata, said)); err != nil {
				return err
			}
			of.MarkOffset(next+1, fmt.Sprint("after ", next+1))
			manager.Commit()
			if err := errors.Join(of.Close(), manager.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}
