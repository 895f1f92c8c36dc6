import org.apache.rocketmq.store.ha.DefaultHAService;

/**
 * The replication of a RocketMQ broker without its listener: that one has no setting for its address
 * and would listen on all of them, for replicas that are not here. RocketMQ loads it as a service.
 */
public final class NoReplication extends DefaultHAService {
  @Override
  public void start() {
    groupTransferService.start();
    haConnectionStateNotificationService.start();
  }
}
