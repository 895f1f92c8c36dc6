package main

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

func (s *suite) checkAdmin() {
	s.withAdmin("create topics, and what is refused", s.createTopics)
	s.withAdmin("list and describe topics", s.describeTopics)
	if s.has(sarama.V1_0_0_0) {
		s.withAdmin("create partitions", s.createPartitions)
	}
	s.withAdmin("describe configs", s.describeConfigs)
	s.withAdmin("alter configs", s.alterConfigs)
	if s.has(sarama.V2_3_0_0) {
		s.withAdmin("alter configs incrementally", s.incrementalAlterConfigs)
	}
	s.withAdmin("delete records", s.deleteRecords)
	s.withAdmin("delete topics", s.deleteTopics)
	s.withAdmin("list offsets", s.listOffsets)
	s.withAdmin("describe the cluster", s.describeCluster)
	if s.has(sarama.V1_0_0_0) {
		s.withAdmin("describe log dirs", s.describeLogDirs)
	}
	if s.has(sarama.V2_4_0_0) {
		s.withAdmin("elect leaders", s.electLeaders)
		s.withAdmin("list partition reassignments", s.listReassignments)
	}
	s.withAdmin("list and describe groups", s.describeGroups)
	s.withAdmin("group offsets: alter, list, delete", s.groupOffsets)
	if s.has(sarama.V1_1_0_0) {
		s.withAdmin("delete groups", s.deleteGroups)
	}
}

func (s *suite) withAdmin(name string, run func(sarama.ClusterAdmin) error) {
	s.check("admin: "+name, func() error {
		admin, err := sarama.NewClusterAdmin(s.brokers(), s.config())
		if err != nil {
			return err
		}
		defer admin.Close()
		return run(admin)
	})
}

func (s *suite) createTopics(admin sarama.ClusterAdmin) error {
	topic := s.freshName("topic")
	one := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}
	if err := admin.CreateTopic(topic, one, true); err != nil {
		return fmt.Errorf("validate only: %w", err)
	}
	topics, err := admin.ListTopics()
	if err != nil {
		return err
	}
	if _, ok := topics[topic]; ok {
		return errors.New("validate only created the topic")
	}
	if err := admin.CreateTopic(topic, one, false); err != nil {
		return err
	}
	bad := "not-a-number"
	return errors.Join(
		expectError(admin.CreateTopic(topic, one, false), sarama.ErrTopicAlreadyExists),
		expectError(admin.CreateTopic("no/slash", one, false), sarama.ErrInvalidTopic),
		expectError(admin.CreateTopic(s.freshName("topic"), &sarama.TopicDetail{
			NumPartitions: 0, ReplicationFactor: 1,
		}, false), sarama.ErrInvalidPartitions),
		expectError(admin.CreateTopic(s.freshName("topic"), &sarama.TopicDetail{
			NumPartitions: 1, ReplicationFactor: 5,
		}, false), sarama.ErrInvalidReplicationFactor),
		expectError(admin.CreateTopic(s.freshName("topic"), &sarama.TopicDetail{
			NumPartitions: 1, ReplicationFactor: 1,
			ConfigEntries: map[string]*string{"retention.ms": &bad},
		}, false), sarama.ErrInvalidConfig),
	)
}

func (s *suite) describeTopics(admin sarama.ClusterAdmin) error {
	value := "123456"
	topic, err := s.newTopic(3, map[string]*string{"retention.ms": &value})
	if err != nil {
		return err
	}
	topics, err := admin.ListTopics()
	if err != nil {
		return err
	}
	detail, ok := topics[topic]
	if !ok {
		return fmt.Errorf("%s is not listed", topic)
	}
	described, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return err
	}
	set := detail.ConfigEntries["retention.ms"]
	if set == nil {
		return errors.New("the listed topic does not have the setting it was created with")
	}
	if err := errors.Join(
		expect("number of partitions", detail.NumPartitions, 3),
		expect("replication factor", detail.ReplicationFactor, 1),
		expect("retention.ms", *set, value),
		expect("topics described", len(described), 1),
		expect("error", described[0].Err, sarama.ErrNoError),
		expect("partitions described", len(described[0].Partitions), 3),
		expect("internal", described[0].IsInternal, false),
	); err != nil {
		return err
	}
	leader, isr := described[0].Partitions[0].Leader, described[0].Partitions[0].Isr
	return expect("in-sync replicas", isr, []int32{leader})
}

func (s *suite) createPartitions(admin sarama.ClusterAdmin) error {
	topic, err := s.newTopic(2, nil)
	if err != nil {
		return err
	}
	if err := admin.CreatePartitions(topic, 5, nil, true); err != nil {
		return fmt.Errorf("validate only: %w", err)
	}
	before, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return err
	}
	if err := admin.CreatePartitions(topic, 5, nil, false); err != nil {
		return err
	}
	after, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return err
	}
	return errors.Join(
		expect("partitions after validate only", len(before[0].Partitions), 2),
		expect("partitions", len(after[0].Partitions), 5),
		expectError(admin.CreatePartitions(topic, 4, nil, false), sarama.ErrInvalidPartitions),
		expectError(
			admin.CreatePartitions("no-such-topic", 4, nil, false), sarama.ErrUnknownTopicOrPartition),
	)
}

func (s *suite) setting(admin sarama.ClusterAdmin, topic, name string) (sarama.ConfigEntry, error) {
	entries, err := admin.DescribeConfig(sarama.ConfigResource{
		Type: sarama.TopicResource, Name: topic, ConfigNames: []string{name},
	})
	if err != nil {
		return sarama.ConfigEntry{}, err
	}
	for _, entry := range entries {
		if entry.Name == name {
			return entry, expect("number of entries", len(entries), 1)
		}
	}
	return sarama.ConfigEntry{}, fmt.Errorf("no %s among %d entries", name, len(entries))
}

func (s *suite) describeConfigs(admin sarama.ClusterAdmin) error {
	value := "4096"
	topic, err := s.newTopic(1, map[string]*string{"segment.bytes": new("1048576"), "index.interval.bytes": &value})
	if err != nil {
		return err
	}
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	if err != nil {
		return err
	}
	found := make(map[string]sarama.ConfigEntry)
	for _, entry := range entries {
		found[entry.Name] = entry
	}
	for _, name := range []string{"cleanup.policy", "retention.ms", "max.message.bytes", "compression.type"} {
		if _, ok := found[name]; !ok {
			return fmt.Errorf("no %s among %d settings", name, len(entries))
		}
	}
	controller, err := admin.Controller()
	if err != nil {
		return err
	}
	ofBroker, err := admin.DescribeConfig(sarama.ConfigResource{
		Type: sarama.BrokerResource, Name: fmt.Sprint(controller.ID()),
	})
	if err != nil {
		return err
	}
	_, err = admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: "no-such-topic"})
	return errors.Join(
		expect("segment.bytes", found["segment.bytes"].Value, "1048576"),
		expect("segment.bytes is default", found["segment.bytes"].Default, false),
		expect("retention.ms is default", found["retention.ms"].Default, true),
		expect("the broker has settings", len(ofBroker) > 0, true),
		expectError(err, sarama.ErrUnknownTopicOrPartition),
	)
}

func (s *suite) alterConfigs(admin sarama.ClusterAdmin) error {
	topic, err := s.newTopic(1, map[string]*string{"retention.bytes": new("1000000")})
	if err != nil {
		return err
	}
	change := map[string]*string{"retention.ms": new("5000")}
	if err := admin.AlterConfig(sarama.TopicResource, topic, change, true); err != nil {
		return fmt.Errorf("validate only: %w", err)
	}
	before, err := s.setting(admin, topic, "retention.ms")
	if err != nil {
		return err
	}
	if err := admin.AlterConfig(sarama.TopicResource, topic, change, false); err != nil {
		return err
	}
	after, err := s.setting(admin, topic, "retention.ms")
	if err != nil {
		return err
	}
	other, err := s.setting(admin, topic, "retention.bytes")
	if err != nil {
		return err
	}
	bad := map[string]*string{"retention.ms": new("soon")}
	return errors.Join(
		expect("retention.ms is default before", before.Default, true),
		expect("retention.ms", after.Value, "5000"),
		expect("retention.bytes, which was not named, is default", other.Default, true),
		expectError(
			admin.AlterConfig(sarama.TopicResource, topic, bad, false), sarama.ErrInvalidConfig),
	)
}

func (s *suite) incrementalAlterConfigs(admin sarama.ClusterAdmin) error {
	topic, err := s.newTopic(1, map[string]*string{"retention.bytes": new("1000000")})
	if err != nil {
		return err
	}
	alter := func(name string, operation sarama.IncrementalAlterConfigsOperation, value *string) error {
		return admin.IncrementalAlterConfig(sarama.TopicResource, topic,
			map[string]sarama.IncrementalAlterConfigsEntry{name: {Operation: operation, Value: value}}, false)
	}
	if err := errors.Join(
		alter("retention.ms", sarama.IncrementalAlterConfigsOperationSet, new("5000")),
		alter("cleanup.policy", sarama.IncrementalAlterConfigsOperationAppend, new("compact")),
	); err != nil {
		return err
	}
	retention, err := s.setting(admin, topic, "retention.ms")
	if err != nil {
		return err
	}
	other, err := s.setting(admin, topic, "retention.bytes")
	if err != nil {
		return err
	}
	policy, err := s.setting(admin, topic, "cleanup.policy")
	if err != nil {
		return err
	}
	if err := errors.Join(
		alter("retention.ms", sarama.IncrementalAlterConfigsOperationDelete, nil),
		alter("cleanup.policy", sarama.IncrementalAlterConfigsOperationSubtract, new("compact")),
	); err != nil {
		return err
	}
	deleted, err := s.setting(admin, topic, "retention.ms")
	if err != nil {
		return err
	}
	subtracted, err := s.setting(admin, topic, "cleanup.policy")
	return errors.Join(err,
		expect("retention.ms", retention.Value, "5000"),
		expect("retention.bytes", other.Value, "1000000"),
		expect("cleanup.policy", policy.Value, "delete,compact"),
		expect("retention.ms is default after", deleted.Default, true),
		expect("cleanup.policy after", subtracted.Value, "delete"),
	)
}

func (s *suite) deleteRecords(admin sarama.ClusterAdmin) error {
	topic, client, consumer, err := s.filled(1, 100)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := admin.DeleteRecords(topic, map[int32]int64{0: 40}); err != nil {
		return err
	}
	start, err := client.GetOffset(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	got, err := take(consumer, topic, 0, sarama.OffsetOldest, 60)
	if err != nil {
		return err
	}
	_, below := consumer.ConsumePartition(topic, 0, 39)
	return errors.Join(
		expect("start", start, 40),
		isMessage(got[0], 40),
		expectError(below, sarama.ErrOffsetOutOfRange),
		expect("beyond the end is refused",
			admin.DeleteRecords(topic, map[int32]int64{0: 101}) != nil, true),
	)
}

func (s *suite) deleteTopics(admin sarama.ClusterAdmin) error {
	topic, err := s.newTopic(2, nil)
	if err != nil {
		return err
	}
	if err := admin.DeleteTopic(topic); err != nil {
		return err
	}
	topics, err := admin.ListTopics()
	if err != nil {
		return err
	}
	_, listed := topics[topic]
	return errors.Join(
		expect("listed after", listed, false),
		expectError(admin.DeleteTopic(topic), sarama.ErrUnknownTopicOrPartition),
	)
}

func (s *suite) listOffsets(admin sarama.ClusterAdmin) error {
	topic, client, _, err := s.filled(1, 50)
	if err != nil {
		return err
	}
	defer client.Close()
	ask := func(at int64) (int64, error) {
		answer, err := admin.ListOffsets(map[string]map[int32]int64{topic: {0: at}}, nil)
		if err != nil {
			return 0, err
		}
		result := answer[topic][0]
		return result.Offset, expectError(result.Err, sarama.ErrNoError)
	}
	oldest, err1 := ask(sarama.OffsetOldest)
	newest, err2 := ask(sarama.OffsetNewest)
	timed, err3 := ask(1_600_000_000_017)
	return errors.Join(err1, err2, err3,
		expect("oldest", oldest, 0), expect("newest", newest, 50), expect("at a time", timed, 17))
}

func (s *suite) describeCluster(admin sarama.ClusterAdmin) error {
	brokers, controllerID, err := admin.DescribeCluster()
	if err != nil {
		return err
	}
	controller, err := admin.Controller()
	if err != nil {
		return err
	}
	return errors.Join(
		expect("there are brokers", len(brokers) > 0, true),
		expect("id of the controller", controller.ID(), controllerID),
	)
}

func (s *suite) describeLogDirs(admin sarama.ClusterAdmin) error {
	topic, client, _, err := s.filled(2, 200)
	if err != nil {
		return err
	}
	defer client.Close()
	var ids []int32
	for _, broker := range client.Brokers() {
		ids = append(ids, broker.ID())
	}
	of, err := admin.DescribeLogDirs(ids)
	if err != nil {
		return err
	}
	bytes := int64(0)
	for _, dirs := range of {
		for _, dir := range dirs {
			if dir.ErrorCode != sarama.ErrNoError {
				return dir.ErrorCode
			}
			for _, described := range dir.Topics {
				if described.Topic != topic {
					continue
				}
				for _, partition := range described.Partitions {
					bytes += partition.Size
				}
			}
		}
	}
	return expect("bytes are told", bytes > 200*20, true)
}

func (s *suite) electLeaders(admin sarama.ClusterAdmin) error {
	topic, err := s.newTopic(1, nil)
	if err != nil {
		return err
	}
	results, err := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: {0}})
	if err != nil {
		return err
	}
	result := results[topic][0]
	if result == nil {
		return errors.New("no result for the partition")
	}
	return expectError(result.ErrorCode, sarama.ErrElectionNotNeeded)
}

func (s *suite) listReassignments(admin sarama.ClusterAdmin) error {
	topic, err := s.newTopic(1, nil)
	if err != nil {
		return err
	}
	status, err := admin.ListPartitionReassignments(topic, []int32{0})
	return errors.Join(err, expect("partitions on the move", len(status[topic]), 0))
}

func (s *suite) describeGroups(admin sarama.ClusterAdmin) error {
	topic, group, m, err := s.readingGroup(10)
	if err != nil {
		return err
	}
	groups, err := admin.ListConsumerGroups()
	if err != nil {
		return err
	}
	with, err := admin.DescribeConsumerGroups([]string{group, "no-such-group"})
	if err != nil {
		return err
	}
	if err := expect("groups described", len(with), 2); err != nil {
		return err
	}
	described := make(map[string]*sarama.GroupDescription)
	for _, description := range with {
		described[description.GroupId] = description
	}
	found := described[group]
	if err := errors.Join(
		expect("protocol type of the listed group", groups[group], "consumer"),
		expect("state", found.State, "Stable"),
		expect("protocol", found.Protocol, "range"),
		expect("members", len(found.Members), 1),
		expect("state of a group there is not", described["no-such-group"].State, "Dead"),
	); err != nil {
		return err
	}
	for _, description := range found.Members {
		assignment, err := description.GetMemberAssignment()
		if err != nil {
			return err
		}
		metadata, err := description.GetMemberMetadata()
		if err != nil {
			return err
		}
		if err := errors.Join(
			expect("client id", description.ClientId, "conformance"),
			expect("partitions", len(assignment.Topics[topic]), groupPartitions),
			expect("topics", metadata.Topics, []string{topic}),
		); err != nil {
			return err
		}
	}
	if err := m.leave(); err != nil {
		return err
	}
	without, err := admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return err
	}
	return expect("state after the last one left", without[0].State, "Empty")
}

func (s *suite) groupOffsets(admin sarama.ClusterAdmin) error {
	topic, group, err := s.groupTopic(100)
	if err != nil {
		return err
	}
	altered, err := admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{
		topic: {0: {Offset: 5, Metadata: "five", LeaderEpoch: -1}, 1: {Offset: 7, LeaderEpoch: -1}},
	}, nil)
	if err != nil {
		return err
	}
	for _, errorCode := range altered.Errors[topic] {
		if errorCode != sarama.ErrNoError {
			return errorCode
		}
	}
	list := func() (*sarama.OffsetFetchResponse, error) {
		return admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1, 2}})
	}
	before, err := list()
	if err != nil {
		return err
	}
	if err := errors.Join(
		expect("offset 0", before.GetBlock(topic, 0).Offset, 5),
		expect("text 0", before.GetBlock(topic, 0).Metadata, "five"),
		expect("offset 1", before.GetBlock(topic, 1).Offset, 7),
		expect("offset 2", before.GetBlock(topic, 2).Offset, -1),
	); err != nil {
		return err
	}
	all, err := admin.ListConsumerGroupOffsets(group, nil)
	if err != nil {
		return err
	}
	if err := expect("partitions of all topics", len(all.Blocks[topic]), 2); err != nil {
		return err
	}
	if !s.has(sarama.V2_4_0_0) {
		return nil
	}
	if err := admin.DeleteConsumerGroupOffset(group, topic, 0); err != nil {
		return err
	}
	after, err := list()
	if err != nil {
		return err
	}
	return errors.Join(
		expect("offset 0 after", after.GetBlock(topic, 0).Offset, -1),
		expect("offset 1 after", after.GetBlock(topic, 1).Offset, 7),
	)
}

func (s *suite) deleteGroups(admin sarama.ClusterAdmin) error {
	_, group, m, err := s.readingGroup(10)
	if err != nil {
		return err
	}
	if err := errors.Join(
		expectError(admin.DeleteConsumerGroup(group), sarama.ErrNonEmptyGroup),
		m.leave(),
		admin.DeleteConsumerGroup(group),
		expectError(admin.DeleteConsumerGroup(group), sarama.ErrGroupIDNotFound),
	); err != nil {
		return err
	}
	groups, err := admin.ListConsumerGroups()
	if err != nil {
		return err
	}
	_, listed := groups[group]
	return expect("listed after", listed, false)
}
