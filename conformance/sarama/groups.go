package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/IBM/sarama"
)

const groupPartitions = 6

func (s *suite) checkGroups() {
	strategies := []sarama.BalanceStrategy{
		sarama.NewBalanceStrategyRange(),
		sarama.NewBalanceStrategyRoundRobin(),
		sarama.NewBalanceStrategySticky(),
	}
	for _, strategy := range strategies {
		s.check("consumer group, two members, "+strategy.Name(), func() error {
			return s.twoMembers(strategy)
		})
	}
	s.check("consumer group goes on from its commits", s.goesOn)
	s.check("consumer group commits by itself at intervals", s.autoCommit)
	s.check("consumer group, member dies without leaving", s.memberDies)
	if s.has(sarama.V2_3_0_0) {
		s.check("static member comes back without a rebalance", s.staticMember)
	}
}

// member is a consumer of a group that tells of each generation and passes its records on.
type member struct {
	group    sarama.ConsumerGroup
	records  chan *sarama.ConsumerMessage
	sessions chan sarama.ConsumerGroupSession
	commit   bool
	cancel   context.CancelFunc
	ended    chan error
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.sessions <- session
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	for {
		select {
		case record, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			select {
			case m.records <- record:
			case <-session.Context().Done():
				return nil
			}
			session.MarkMessage(record, "")
			// Not each one: sarama sends commits over the connection on which fetches wait.
			if m.commit && len(claim.Messages()) == 0 {
				session.Commit()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (s *suite) groupConfig(strategy sarama.BalanceStrategy) *sarama.Config {
	config := s.config()
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	config.Consumer.Offsets.AutoCommit.Enable = false
	return config
}

func (s *suite) join(
	group, topic string, config *sarama.Config, records chan *sarama.ConsumerMessage,
) (*member, error) {
	consumer, err := sarama.NewConsumerGroup(s.brokers(), group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{
		group:    consumer,
		records:  records,
		sessions: make(chan sarama.ConsumerGroupSession, 100),
		commit:   !config.Consumer.Offsets.AutoCommit.Enable,
		cancel:   cancel,
		ended:    make(chan error, 1),
	}
	go func() {
		for range consumer.Errors() {
		}
	}()
	go func() {
		for ctx.Err() == nil {
			if err := consumer.Consume(ctx, []string{topic}, m); err != nil {
				m.ended <- err
				return
			}
		}
		m.ended <- nil
	}()
	return m, nil
}

func (m *member) leave() error {
	m.cancel()
	err := <-m.ended
	if errors.Is(err, sarama.ErrClosedConsumerGroup) {
		err = nil
	}
	return errors.Join(err, m.group.Close())
}

// hasPartitions waits for the generation that gives this member so many of them.
func (m *member) hasPartitions(count int) (sarama.ConsumerGroupSession, error) {
	for {
		select {
		case session := <-m.sessions:
			claimed := 0
			for _, partitions := range session.Claims() {
				claimed += len(partitions)
			}
			if claimed == count {
				return session, nil
			}
		case err := <-m.ended:
			m.ended <- err
			return nil, fmt.Errorf("the member ended: %w", err)
		case <-time.After(30 * time.Second):
			return nil, fmt.Errorf("no generation with %d partitions", count)
		}
	}
}

// receive takes records until all messages below count have been there.
func receive(records chan *sarama.ConsumerMessage, first, count int) error {
	seen := make(map[int]bool)
	for len(seen) < count-first {
		select {
		case record := <-records:
			var n int
			if _, err := fmt.Sscanf(string(record.Key), "key-%d", &n); err != nil {
				return err
			}
			if n < first || n >= count {
				return fmt.Errorf("message %d, expected those from %d to %d", n, first, count-1)
			}
			seen[n] = true
		case <-time.After(20 * time.Second):
			return fmt.Errorf("%d of %d messages", len(seen), count-first)
		}
	}
	return nil
}

// A group of one member that has read the `count` records of a topic of its own.
func (s *suite) readingGroup(count int) (topic, group string, m *member, err error) {
	topic, group, err = s.groupTopic(count)
	if err != nil {
		return
	}
	records := make(chan *sarama.ConsumerMessage, 10*count)
	m, err = s.join(group, topic, s.groupConfig(sarama.NewBalanceStrategyRange()), records)
	if err == nil {
		err = receive(records, 0, count)
	}
	return
}

func (s *suite) groupTopic(count int) (string, string, error) {
	topic, err := s.newTopic(groupPartitions, nil)
	if err != nil {
		return "", "", err
	}
	return topic, s.freshName("group"), s.produceAsync(s.config(), topic, count)
}

func (s *suite) twoMembers(strategy sarama.BalanceStrategy) error {
	const count = 300
	topic, group, err := s.groupTopic(count)
	if err != nil {
		return err
	}
	records := make(chan *sarama.ConsumerMessage, 10*count)
	config := s.groupConfig(strategy)
	first, err := s.join(group, topic, config, records)
	if err != nil {
		return err
	}
	if _, err := first.hasPartitions(groupPartitions); err != nil {
		return err
	}
	if err := receive(records, 0, count); err != nil {
		return err
	}
	second, err := s.join(group, topic, config, records)
	if err != nil {
		return err
	}
	of1, err := first.hasPartitions(groupPartitions / 2)
	if err != nil {
		return err
	}
	of2, err := second.hasPartitions(groupPartitions / 2)
	if err != nil {
		return err
	}
	owned := append(append([]int32{}, of1.Claims()[topic]...), of2.Claims()[topic]...)
	sort.Slice(owned, func(i, j int) bool { return owned[i] < owned[j] })
	if err := errors.Join(
		expect("partitions of both", owned, []int32{0, 1, 2, 3, 4, 5}),
		expect("generation", of1.GenerationID(), of2.GenerationID()),
		s.produceAsync(s.config(), topic, 2*count, count),
		receive(records, count, 2*count),
		second.leave(),
	); err != nil {
		return err
	}
	if _, err := first.hasPartitions(groupPartitions); err != nil {
		return err
	}
	return errors.Join(
		s.produceAsync(s.config(), topic, 3*count, 2*count),
		receive(records, 2*count, 3*count),
		first.leave(),
		s.isCommitted(group, topic, 3*count),
	)
}

// isCommitted compares the sum of a group's offsets with the number of messages it has read.
func (s *suite) isCommitted(group, topic string, count int64) error {
	admin, err := sarama.NewClusterAdmin(s.brokers(), s.config())
	if err != nil {
		return err
	}
	defer admin.Close()
	answer, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1, 2, 3, 4, 5}})
	if err != nil {
		return err
	}
	sum := int64(0)
	for partition := int32(0); partition < groupPartitions; partition++ {
		block := answer.GetBlock(topic, partition)
		if block == nil || block.Err != sarama.ErrNoError {
			return fmt.Errorf("partition %d: %v", partition, block)
		}
		sum += max(block.Offset, 0)
	}
	return expect("sum of the committed offsets", sum, count)
}

func (s *suite) goesOn() error {
	const count = 100
	topic, group, err := s.groupTopic(count)
	if err != nil {
		return err
	}
	for round := 0; round < 3; round++ {
		records := make(chan *sarama.ConsumerMessage, 10*count)
		m, err := s.join(group, topic, s.groupConfig(sarama.NewBalanceStrategyRange()), records)
		if err != nil {
			return err
		}
		if err := errors.Join(
			receive(records, round*count, (round+1)*count),
			m.leave(),
			expect("records left over", len(records), 0),
			s.produceAsync(s.config(), topic, (round+2)*count, (round+1)*count),
		); err != nil {
			return err
		}
	}
	return s.isCommitted(group, topic, 3*count)
}

func (s *suite) autoCommit() error {
	const count = 100
	topic, group, err := s.groupTopic(count)
	if err != nil {
		return err
	}
	config := s.groupConfig(sarama.NewBalanceStrategyRange())
	config.Consumer.Offsets.AutoCommit.Enable = true
	config.Consumer.Offsets.AutoCommit.Interval = 50 * time.Millisecond
	records := make(chan *sarama.ConsumerMessage, count)
	m, err := s.join(group, topic, config, records)
	if err != nil {
		return err
	}
	if err := receive(records, 0, count); err != nil {
		return err
	}
	// Before it leaves, when it would commit in any case.
	for started := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if err = s.isCommitted(group, topic, count); err == nil {
			break
		}
		if time.Since(started) > 10*time.Second {
			break
		}
	}
	return errors.Join(err, m.leave())
}

func (s *suite) memberDies() error {
	topic, group, err := s.groupTopic(1)
	if err != nil {
		return err
	}
	// A member that joins by hand and is never heard of again.
	client, err := sarama.NewClient(s.brokers(), s.config())
	if err != nil {
		return err
	}
	defer client.Close()
	coordinator, err := client.Coordinator(group)
	if err != nil {
		return err
	}
	join := &sarama.JoinGroupRequest{
		GroupId: group, SessionTimeout: 6_000, ProtocolType: "consumer",
	}
	if err := join.AddGroupProtocolMetadata("range", &sarama.ConsumerGroupMemberMetadata{
		Topics: []string{topic},
	}); err != nil {
		return err
	}
	joined, err := coordinator.JoinGroup(join)
	if err != nil || joined.Err != sarama.ErrNoError {
		return fmt.Errorf("join: %v, %v", err, joined)
	}
	records := make(chan *sarama.ConsumerMessage, 10)
	m, err := s.join(group, topic, s.groupConfig(sarama.NewBalanceStrategyRange()), records)
	if err != nil {
		return err
	}
	if _, err := m.hasPartitions(groupPartitions); err != nil {
		return err
	}
	return errors.Join(receive(records, 0, 1), m.leave())
}

func (s *suite) staticMember() error {
	topic, group, err := s.groupTopic(10)
	if err != nil {
		return err
	}
	records := make(chan *sarama.ConsumerMessage, 100)
	config := s.groupConfig(sarama.NewBalanceStrategyRange())
	config.Consumer.Group.InstanceId = "instance-1"
	config.Consumer.Group.Session.Timeout = 30 * time.Second
	var generation int32
	for round := 0; round < 2; round++ {
		m, err := s.join(group, topic, config, records)
		if err != nil {
			return err
		}
		session, err := m.hasPartitions(groupPartitions)
		if err != nil {
			return err
		}
		if round == 0 {
			generation = session.GenerationID()
			err = receive(records, 0, 10)
		} else {
			err = expect("generation", session.GenerationID(), generation)
		}
		if err := errors.Join(err, m.leave()); err != nil {
			return err
		}
	}
	if !s.has(sarama.V2_4_0_0) {
		return nil
	}
	admin, err := sarama.NewClusterAdmin(s.brokers(), s.config())
	if err != nil {
		return err
	}
	defer admin.Close()
	described, err := admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return err
	}
	if err := expect("members", len(described[0].Members), 1); err != nil {
		return err
	}
	removed, err := admin.RemoveMemberFromConsumerGroup(group, []string{"instance-1"})
	if err != nil {
		return err
	}
	return errors.Join(
		expect("error", removed.Err, sarama.ErrNoError),
		expect("members removed", len(removed.Members), 1),
		expect("error of the member", removed.Members[0].Err, sarama.ErrNoError),
	)
}
