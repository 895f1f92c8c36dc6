// Transfers of file regions to sockets, and who gives them their turns; see send_scheduler.cc.
#pragma once

#include <deque>
#include <unordered_set>

#include "napi_util.h"

namespace stratalog {

struct Watch;

// One transfer. It belongs to its JavaScript object `SendFileTransfer`, whose finalizer deletes it;
// while the transfer runs, a reference holds that object.
class Transfer {
 public:
  enum class Outcome { kFinished, kSocketFull, kTurnOver, kCold };

  Transfer(napi_env env, int socket, int file, int64_t position, int64_t length)
      : env_(env), socket_(socket), file_(file), position_(position), remaining_(length) {}

  bool Begin(SendScheduler* scheduler, napi_value object, napi_value done);
  Outcome Advance();
  Outcome AdvanceCold();
  bool KeepDescriptors();
  bool StartWatch();
  bool StartColdTurn();
  void End();
  void Cancel();
  void CallDone(napi_async_context context);
  void LetGo();

 private:
  static void OnWritable(uv_poll_t* handle, int status, int events);
  Outcome Send(int64_t turn);

  napi_env env_;
  SendScheduler* scheduler_ = nullptr;  // null before Begin and once `done` is due
  int socket_;                          // the caller's, until KeepDescriptors duplicates it
  int file_;
  Descriptor kept_file_;
  Watch* watch_ = nullptr;
  int64_t position_;
  int64_t remaining_;
  int64_t sent_ = 0;
  int64_t cached_until_ = 0;  // what is before this position was in the page cache
  uint64_t asked_ms_ = 0;     // at this time of the loop
  int error_ = 0;
  bool is_cancelled_ = false;
  uv_work_t work_;            // of a cold turn; until it is over, this belongs to its thread
  Outcome work_outcome_ = Outcome::kCold;
  napi_ref object_ = nullptr;
  napi_ref done_ = nullptr;

  friend class SendScheduler;
};

// All transfers of one environment. Deleted by its cleanup hook after every handle is closed.
class SendScheduler {
 public:
  static SendScheduler* Of(Napi::Env env);

  void Start(Transfer* transfer);
  void OnWritable(Transfer* transfer);
  void OnColdTurnOver(Transfer* transfer);
  void Cancel(Transfer* transfer);
  void WatchOpened() { open_handles_++; }
  void HandleClosed();
  uv_loop_t* loop() const { return loop_; }

 private:
  explicit SendScheduler(Napi::Env env);
  void Enqueue(Transfer* transfer);
  void Proceed(Transfer* transfer, Transfer::Outcome outcome);
  void StartColdTurns();
  void Finish(Transfer* transfer);
  void Tick();
  void Drop(Transfer* transfer);
  void Shutdown(napi_async_cleanup_hook_handle hook);

  napi_env env_;
  uv_loop_t* loop_ = nullptr;
  uv_idle_t idle_;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  int open_handles_ = 0;
  bool is_shutting_down_ = false;
  int64_t tick_bytes_ = 0;
  std::deque<Transfer*> ready_;              // to be served in the next turn, in order
  std::unordered_set<Transfer*> waiting_;    // watched for writability
  std::deque<Transfer*> cold_;               // in wait of a cold turn, in order
  int cold_turns_ = 0;                       // under way
};

}  // namespace stratalog
