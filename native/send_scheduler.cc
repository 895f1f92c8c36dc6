// sendfile(2), file to socket, on the event loop.
//
// A transfer sends what the socket takes, at most kTurnBytes at a time. When the socket is full it
// waits for writability with uv_poll on a duplicate of the descriptor (Node watches the original
// already, and libuv takes a descriptor once). When it used up its turn it queues behind the other
// transfers of its environment, which together send about kTickBytes per turn of the event loop,
// so that timers and other sockets are served meanwhile. `done` always runs in a later turn.
//
// sendfile(2) waits for the disk where the page cache has nothing. So the cache is asked first, and a
// turn that would wait is sent from a thread of the pool, which waits for the disk but never for a
// socket. At most kColdTurns at a time: the pool has four threads as a rule, and who syncs needs some.
#include "send_scheduler.h"

#include <fcntl.h>
#if defined(__linux__)
#include <sys/sendfile.h>
#else
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#endif

#include <algorithm>

namespace stratalog {

namespace {

constexpr int64_t kTurnBytes = 512 * 1024;
constexpr int64_t kTickBytes = 2 * 1024 * 1024;
constexpr int kColdTurns = 2;
// How long it counts what the page cache had: a slow client may come back after a minute.
constexpr uint64_t kKnownMs = 1000;

// Sends up to `count` bytes. Returns bytes sent, 0 only at the end of the file, or −errno.
int64_t SendSome(int socket, int file, int64_t position, int64_t count) {
#if defined(__linux__)
  off_t at = position;
  ssize_t sent = sendfile(socket, file, &at, static_cast<size_t>(count));
  return sent >= 0 ? sent : -errno;
#else
  off_t sent = count;
  int result = sendfile(file, socket, position, &sent, nullptr, 0);
  return result == 0 || sent > 0 ? sent : -errno;
#endif
}

}  // namespace

// Watches a duplicated socket for writability. Its memory is freed after libuv let go of it.
struct Watch {
  uv_poll_t handle;
  Descriptor socket;
};

// ---- Transfer

bool Transfer::Begin(SendScheduler* scheduler, napi_value object, napi_value done) {
  scheduler_ = scheduler;
  return napi_create_reference(env_, object, 1, &object_) == napi_ok &&
         napi_create_reference(env_, done, 1, &done_) == napi_ok;
}

Transfer::Outcome Transfer::Advance() {
  if (is_cancelled_) error_ = ECANCELED;
  int64_t turn = std::min(remaining_, kTurnBytes);
  uint64_t now_ms = uv_now(scheduler_->loop());
  bool is_known = position_ + turn <= cached_until_ && now_ms - asked_ms_ < kKnownMs;
  if (error_ == 0 && turn > 0 && !is_known) {
    turn = CachedBytes(file_, position_, turn);
    if (turn == 0) return Outcome::kCold;
    cached_until_ = position_ + turn;
    asked_ms_ = now_ms;
  }
  return Send(turn);
}

// The same on a thread of the pool, whatever the page cache has.
Transfer::Outcome Transfer::AdvanceCold() {
  ReadAhead(file_, position_, std::min(remaining_, 2 * kTurnBytes));
  return Send(std::min(remaining_, kTurnBytes));
}

Transfer::Outcome Transfer::Send(int64_t turn) {
  while (error_ == 0 && turn > 0) {
    int64_t count = SendSome(socket_, file_, position_, turn);
    if (count == -EINTR) continue;
    if (count == -EAGAIN || count == -EWOULDBLOCK) return Outcome::kSocketFull;
    if (count <= 0) {
      error_ = count == 0 ? ESTALE : static_cast<int>(-count);
      break;
    }
    position_ += count;
    remaining_ -= count;
    sent_ += count;
    turn -= count;
  }
  return error_ != 0 || remaining_ == 0 ? Outcome::kFinished : Outcome::kTurnOver;
}

// Makes the transfer independent of the caller's descriptors, whose numbers may be reused.
bool Transfer::KeepDescriptors() {
  if (watch_ != nullptr) return true;
  kept_file_ = Descriptor(fcntl(file_, F_DUPFD_CLOEXEC, 0));
  Descriptor socket(fcntl(socket_, F_DUPFD_CLOEXEC, 0));
  if (!kept_file_.valid() || !socket.valid()) {
    error_ = errno;
    return false;
  }
  watch_ = new Watch();
  watch_->socket = std::move(socket);
  file_ = kept_file_.get();
  socket_ = watch_->socket.get();
  int status = uv_poll_init(scheduler_->loop(), &watch_->handle, socket_);
  if (status != 0) {
    delete watch_;
    watch_ = nullptr;
    error_ = -status;
    return false;
  }
  watch_->handle.data = this;
  scheduler_->WatchOpened();
  return true;
}

bool Transfer::StartWatch() {
  int status = uv_poll_start(&watch_->handle, UV_WRITABLE, OnWritable);
  if (status != 0) error_ = -status;
  return status == 0;
}

bool Transfer::StartColdTurn() {
  work_.data = this;
  int status = uv_queue_work(
      scheduler_->loop(), &work_,
      [](uv_work_t* work) {
        Transfer* transfer = static_cast<Transfer*>(work->data);
        transfer->work_outcome_ = transfer->AdvanceCold();
      },
      [](uv_work_t* work, int) {
        Transfer* transfer = static_cast<Transfer*>(work->data);
        transfer->scheduler_->OnColdTurnOver(transfer);
      });
  if (status != 0) error_ = -status;
  return status == 0;
}

// libuv reports a broken connection as EBADF; the next sendfile(2) gives the true error.
void Transfer::OnWritable(uv_poll_t* handle, int, int) {
  Transfer* transfer = static_cast<Transfer*>(handle->data);
  transfer->scheduler_->OnWritable(transfer);
}

// Lets go of descriptors and the watch. The transfer object itself stays with JavaScript.
void Transfer::End() {
  kept_file_.Close();
  if (watch_ != nullptr) {
    Watch* watch = watch_;
    watch_ = nullptr;
    watch->handle.data = scheduler_;
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), [](uv_handle_t* handle) {
      SendScheduler* scheduler = static_cast<SendScheduler*>(handle->data);
      delete reinterpret_cast<Watch*>(handle);
      scheduler->HandleClosed();
    });
    watch->socket.Close();  // allowed once uv_close has been called
  }
  scheduler_ = nullptr;
}

void Transfer::Cancel() {
  if (scheduler_ != nullptr) scheduler_->Cancel(this);
}

// Plain Node-API and no assumption that it works: libuv also runs while the environment ends, and
// then JavaScript does not.
void Transfer::CallDone(napi_async_context context) {
  napi_env env = env_;
  napi_value done = nullptr;
  napi_value receiver = nullptr;
  napi_value arguments[2] = {nullptr, nullptr};
  bool is_callable = napi_get_reference_value(env, done_, &done) == napi_ok &&
                     napi_get_global(env, &receiver) == napi_ok &&
                     napi_get_null(env, &arguments[0]) == napi_ok &&
                     napi_create_double(env, static_cast<double>(sent_), &arguments[1]) == napi_ok;
  if (error_ != 0) arguments[0] = CreateSystemError(env, error_, "sendfile");
  LetGo();
  if (!is_callable || arguments[0] == nullptr) return;
  napi_status status = napi_make_callback(env, context, receiver, done, 2, arguments, nullptr);
  // What `done` throws is an uncaught exception, as from any other callback.
  bool is_pending = false;
  napi_value thrown = nullptr;
  if (status == napi_pending_exception &&
      napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending &&
      napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
    napi_fatal_exception(env, thrown);
  }
}

// Leaves the object, and with it this, to the garbage collector.
void Transfer::LetGo() {
  napi_delete_reference(env_, done_);
  napi_delete_reference(env_, object_);
  done_ = nullptr;
  object_ = nullptr;
}

// ---- SendScheduler

SendScheduler* SendScheduler::Of(Napi::Env env) {
  Environment* environment = env.GetInstanceData<Environment>();
  if (environment->scheduler == nullptr) environment->scheduler = new SendScheduler(env);
  return environment->scheduler;
}

SendScheduler::SendScheduler(Napi::Env env) : env_(env) {
  napi_get_uv_event_loop(env, &loop_);
  uv_idle_init(loop_, &idle_);
  idle_.data = this;
  open_handles_ = 1;
  napi_async_init(env, nullptr, Napi::String::New(env, "stratalog.sendFile"), &context_);
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle hook, void* data) {
        static_cast<SendScheduler*>(data)->Shutdown(hook);
      },
      this, &hook_);
}

void SendScheduler::Start(Transfer* transfer) {
  // Usually the socket takes a whole slice at once: then nothing is duplicated or watched.
  Transfer::Outcome outcome = Transfer::Outcome::kTurnOver;
  if (tick_bytes_ < kTickBytes) {
    outcome = transfer->Advance();
    tick_bytes_ += transfer->sent_;
  }
  if (outcome == Transfer::Outcome::kFinished || !transfer->KeepDescriptors()) {
    Enqueue(transfer);  // `done` must not run inside the call that started it
  } else {
    Proceed(transfer, outcome);
  }
}

void SendScheduler::Enqueue(Transfer* transfer) {
  ready_.push_back(transfer);
  if (ready_.size() == 1) {
    uv_idle_start(&idle_, [](uv_idle_t* idle) { static_cast<SendScheduler*>(idle->data)->Tick(); });
  }
}

void SendScheduler::Proceed(Transfer* transfer, Transfer::Outcome outcome) {
  if (outcome == Transfer::Outcome::kSocketFull && transfer->StartWatch()) {
    waiting_.insert(transfer);
  } else if (outcome == Transfer::Outcome::kCold) {
    cold_.push_back(transfer);
    StartColdTurns();
  } else {
    Enqueue(transfer);
  }
}

void SendScheduler::StartColdTurns() {
  while (cold_turns_ < kColdTurns && !cold_.empty()) {
    Transfer* transfer = cold_.front();
    cold_.pop_front();
    if (!transfer->StartColdTurn()) {
      Enqueue(transfer);
      continue;
    }
    cold_turns_++;
    open_handles_++;
  }
}

void SendScheduler::OnColdTurnOver(Transfer* transfer) {
  cold_turns_--;
  if (is_shutting_down_) {
    Drop(transfer);
  } else {
    // One that was cancelled must not wait for its socket.
    Proceed(transfer,
            transfer->is_cancelled_ ? Transfer::Outcome::kTurnOver : transfer->work_outcome_);
    StartColdTurns();
  }
  HandleClosed();
}

void SendScheduler::Tick() {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  tick_bytes_ = 0;
  for (size_t turns = ready_.size(); turns > 0 && tick_bytes_ < kTickBytes; turns--) {
    if (ready_.empty()) break;  // `done` may end the environment
    Transfer* transfer = ready_.front();
    ready_.pop_front();
    int64_t before = transfer->sent_;
    Transfer::Outcome outcome = transfer->Advance();
    tick_bytes_ += transfer->sent_ - before;
    if (outcome == Transfer::Outcome::kFinished) Finish(transfer);
    else Proceed(transfer, outcome);
  }
  if (ready_.empty()) uv_idle_stop(&idle_);
  napi_close_handle_scope(env_, scope);
}

void SendScheduler::OnWritable(Transfer* transfer) {
  uv_poll_stop(&transfer->watch_->handle);
  waiting_.erase(transfer);
  Enqueue(transfer);
}

void SendScheduler::Cancel(Transfer* transfer) {
  transfer->is_cancelled_ = true;
  if (waiting_.erase(transfer) > 0) {
    uv_poll_stop(&transfer->watch_->handle);
  } else {
    auto found = std::find(cold_.begin(), cold_.end(), transfer);
    if (found == cold_.end()) return;  // queued, or in a cold turn: it is finished after that
    cold_.erase(found);
  }
  Enqueue(transfer);
}

void SendScheduler::Finish(Transfer* transfer) {
  transfer->End();
  transfer->CallDone(context_);
}

void SendScheduler::HandleClosed() {
  if (--open_handles_ > 0 || !is_shutting_down_) return;
  napi_remove_async_cleanup_hook(hook_);
  delete this;
}

// Forgets a transfer whose environment ends; its `done` never runs.
void SendScheduler::Drop(Transfer* transfer) {
  transfer->End();
  transfer->LetGo();
}

void SendScheduler::Shutdown(napi_async_cleanup_hook_handle hook) {
  hook_ = hook;
  is_shutting_down_ = true;
  for (Transfer* transfer : ready_) Drop(transfer);
  for (Transfer* transfer : waiting_) Drop(transfer);
  for (Transfer* transfer : cold_) Drop(transfer);
  ready_.clear();
  waiting_.clear();
  cold_.clear();
  napi_async_destroy(env_, context_);
  Napi::Env(env_).GetInstanceData<Environment>()->scheduler = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), [](uv_handle_t* handle) {
    static_cast<SendScheduler*>(handle->data)->HandleClosed();
  });
}

}  // namespace stratalog
