// What users of IBM/sarama do, at several of the protocol levels it can be told to speak:
//
//	go run . <host:port> [level]
//
// Each check prints one line of JSON, {"name", "outcome", "seconds", "detail"}. The exit code is 0 when all were
// run, passed or not.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/IBM/sarama"
)

// The oldest level with batches of records, those at which sarama begins to use much newer
// requests, its default (2.8), and the newest it knows.
var versions = []sarama.KafkaVersion{
	sarama.V0_11_0_0,
	sarama.V1_1_0_0,
	sarama.V2_1_0_0,
	sarama.V2_4_0_0,
	sarama.V2_8_0_0,
	sarama.MaxVersion,
}

const checkLimit = 60 * time.Second

type suite struct {
	address string
	version sarama.KafkaVersion
	topics  int
}

func main() {
	if len(os.Args) != 2 && len(os.Args) != 3 {
		log.Fatal("usage: sarama <host:port> [level]")
	}
	for _, version := range versions {
		if len(os.Args) == 3 && os.Args[2] != version.String() {
			continue
		}
		s := &suite{address: os.Args[1], version: version}
		s.checkProducers()
		s.checkConsumer()
		s.checkOffsetManager()
		s.checkGroups()
		s.checkAdmin()
	}
}

// has tells whether the level in use is at least the one at which a feature began.
func (s *suite) has(since sarama.KafkaVersion) bool { return s.version.IsAtLeast(since) }

func (s *suite) config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = s.version
	config.ClientID = "conformance"
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Net.DialTimeout = 10 * time.Second
	config.Net.ReadTimeout = 10 * time.Second
	config.Net.WriteTimeout = 10 * time.Second
	return config
}

func (s *suite) brokers() []string { return []string{s.address} }

// check runs one check and prints its result; what hangs or panics has failed.
func (s *suite) check(name string, run func() error) {
	started := time.Now()
	result := make(chan error, 1)
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				result <- fmt.Errorf("panic: %v", reason)
			}
		}()
		result <- run()
	}()
	var err error
	select {
	case err = <-result:
	case <-time.After(checkLimit):
		err = fmt.Errorf("not done after %v", checkLimit)
	}
	line := map[string]any{
		"name":    fmt.Sprintf("%v: %s", s.version, name),
		"outcome": "passed",
		"seconds": time.Since(started).Seconds(),
	}
	if err != nil {
		line["outcome"], line["detail"] = "failed", err.Error()
	}
	text, encodeErr := json.Marshal(line)
	if encodeErr != nil {
		log.Fatal(encodeErr)
	}
	fmt.Println(string(text))
}

// newTopic creates a topic of a name nobody has used.
func (s *suite) newTopic(partitions int32, entries map[string]*string) (string, error) {
	admin, err := sarama.NewClusterAdmin(s.brokers(), s.config())
	if err != nil {
		return "", err
	}
	defer admin.Close()
	topic := s.freshName("topic")
	return topic, admin.CreateTopic(topic, &sarama.TopicDetail{
		NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: entries,
	}, false)
}

func (s *suite) freshName(kind string) string {
	s.topics++
	return fmt.Sprintf("sarama-%v-%s-%d", s.version, kind, s.topics)
}

// expect is an error unless both are equal in print.
func expect(what string, found, expected any) error {
	if fmt.Sprint(found) == fmt.Sprint(expected) {
		return nil
	}
	return fmt.Errorf("%s is %v, expected %v", what, found, expected)
}

// expectError is an error unless err is, or wraps, the expected one.
func expectError(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return fmt.Errorf("error is %v, expected %v", err, expected)
}
