// sendfile(2), file to socket, on the event loop.
//
// A transfer sends what the socket takes, at most kTurnBytes at a time. When the socket is full it
// waits for writability with uv_poll on a duplicate of the descriptor (Node watches the original
// already, and libuv takes a descriptor once). When it used up its turn it queues behind the other
// transfers of its environment, which together send about kTickBytes per turn of the event loop,
// so that timers and other sockets are served meanwhile. `done` always runs in a later turn.
#include <fcntl.h>
#if defined(__linux__)
#include <sys/sendfile.h>
#else
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#endif

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "napi_util.h"

namespace stratalog {

namespace {

constexpr int64_t kTurnBytes = 512 * 1024;
constexpr int64_t kTickBytes = 2 * 1024 * 1024;

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

// Watches a duplicated socket for writability. Its memory is freed after libuv let go of it.
struct Watch {
  uv_poll_t handle;
  Descriptor socket;
};

}  // namespace

// One transfer. It belongs to its JavaScript object `SendFileTransfer`, whose finalizer deletes it;
// while the transfer runs, a reference holds that object.
class Transfer {
 public:
  enum class Outcome { kFinished, kSocketFull, kTurnOver };

  Transfer(napi_env env, int socket, int file, int64_t position, int64_t length)
      : env_(env), socket_(socket), file_(file), position_(position), remaining_(length) {}

  bool Begin(SendScheduler* scheduler, napi_value object, napi_value done);
  Outcome Advance();
  bool KeepDescriptors();
  bool StartWatch();
  void End();
  void Fail(int error) { error_ = error; }
  void Cancel();
  void CallDone(napi_async_context context);
  void LetGo();

 private:
  static void OnWritable(uv_poll_t* handle, int status, int events);

  napi_env env_;
  SendScheduler* scheduler_ = nullptr;  // null before Begin and once `done` is due
  int socket_;                          // the caller's, until KeepDescriptors duplicates it
  int file_;
  Descriptor kept_file_;
  Watch* watch_ = nullptr;
  int64_t position_;
  int64_t remaining_;
  int64_t sent_ = 0;
  int error_ = 0;
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
  void Cancel(Transfer* transfer);
  void WatchOpened() { open_handles_++; }
  void HandleClosed();
  uv_loop_t* loop() const { return loop_; }

 private:
  explicit SendScheduler(Napi::Env env);
  void Enqueue(Transfer* transfer);
  void Proceed(Transfer* transfer, Transfer::Outcome outcome);
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
};

// ---- Transfer

bool Transfer::Begin(SendScheduler* scheduler, napi_value object, napi_value done) {
  scheduler_ = scheduler;
  return napi_create_reference(env_, object, 1, &object_) == napi_ok &&
         napi_create_reference(env_, done, 1, &done_) == napi_ok;
}

Transfer::Outcome Transfer::Advance() {
  int64_t turn = std::min(remaining_, kTurnBytes);
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
    return;
  }
  Enqueue(transfer);
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
  transfer->Fail(ECANCELED);
  if (waiting_.erase(transfer) == 0) return;  // it is queued and will be finished there
  uv_poll_stop(&transfer->watch_->handle);
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
  ready_.clear();
  waiting_.clear();
  napi_async_destroy(env_, context_);
  Napi::Env(env_).GetInstanceData<Environment>()->scheduler = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), [](uv_handle_t* handle) {
    static_cast<SendScheduler*>(handle->data)->HandleClosed();
  });
}

// ---- exports

namespace {

napi_value Undefined(napi_env env) {
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  return undefined;
}

// The object of a transfer begins empty: SendFile wraps the transfer into it.
napi_value ConstructTransfer(napi_env env, napi_callback_info info) {
  napi_value receiver = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, &receiver, nullptr);
  return receiver;
}

void FinalizeTransfer(napi_env, void* data, void*) { delete static_cast<Transfer*>(data); }

// cancel()
napi_value CancelTransfer(napi_env env, napi_callback_info info) {
  napi_value receiver = nullptr;
  void* transfer = nullptr;
  if (napi_get_cb_info(env, info, nullptr, nullptr, &receiver, nullptr) == napi_ok &&
      napi_unwrap(env, receiver, &transfer) == napi_ok) {
    static_cast<Transfer*>(transfer)->Cancel();
  }
  return Undefined(env);
}

// A new `SendFileTransfer` that owns `transfer`, or null when JavaScript may no longer run.
napi_value WrapTransfer(Napi::Env env, std::unique_ptr<Transfer> transfer) {
  napi_value constructor = nullptr;
  napi_value object = nullptr;
  napi_ref transfer_class = env.GetInstanceData<Environment>()->transfer_class;
  bool is_wrapped =
      napi_get_reference_value(env, transfer_class, &constructor) == napi_ok &&
      napi_new_instance(env, constructor, 0, nullptr, &object) == napi_ok &&
      napi_wrap(env, object, transfer.get(), FinalizeTransfer, nullptr, nullptr) == napi_ok;
  if (!is_wrapped) return nullptr;
  transfer.release();
  return object;
}

// sendFile(target, fd, position, length, done)
Napi::Value SendFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket = -1;
  int file = -1;
  int64_t position = 0;
  int64_t length = 0;
  napi_value target_fd = nullptr;
  if (!info[0].IsObject()) {
    ThrowTypeError(env, "target");
    return env.Undefined();
  }
  // Fails when a getter throws, which then is the error.
  if (napi_get_named_property(env, info[0], "fd", &target_fd) != napi_ok) return env.Undefined();
  if (!ReadDescriptor(Napi::Value(env, target_fd), "target.fd", &socket)) return env.Undefined();
  if (!ReadDescriptor(info[1], "fd", &file)) return env.Undefined();
  if (!ReadBytes(info[2], "position", 0, &position)) return env.Undefined();
  if (!ReadBytes(info[3], "length", 0, &length)) return env.Undefined();
  if (!info[4].IsFunction()) {
    ThrowTypeError(env, "done");
    return env.Undefined();
  }
  int flags = fcntl(socket, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) == 0) {
    // A blocking descriptor would stop the whole event loop.
    ThrowSystemError(env, flags < 0 ? errno : EINVAL, "sendfile");
    return env.Undefined();
  }
  auto made = std::make_unique<Transfer>(env, socket, file, position, length);
  Transfer* transfer = made.get();
  napi_value object = WrapTransfer(env, std::move(made));
  if (object == nullptr) return env.Undefined();
  SendScheduler* scheduler = SendScheduler::Of(env);
  if (transfer->Begin(scheduler, object, info[4])) scheduler->Start(transfer);
  return Napi::Value(env, object);
}

}  // namespace

void ExportSendFile(Napi::Env env, Napi::Object exports) {
  napi_property_descriptor cancel = {"cancel", nullptr, CancelTransfer, nullptr, nullptr,
                                     nullptr, napi_default_method, nullptr};
  napi_value transfer_class = nullptr;
  napi_define_class(env, "SendFileTransfer", NAPI_AUTO_LENGTH, ConstructTransfer, nullptr, 1,
                    &cancel, &transfer_class);
  napi_create_reference(env, transfer_class, 1,
                        &env.GetInstanceData<Environment>()->transfer_class);
  exports.Set("sendFile", Napi::Function::New<SendFile>(env, "sendFile"));
}

}  // namespace stratalog
