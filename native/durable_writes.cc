// Writes past the page cache that the kernel also makes durable by itself: Linux AIO, io_submit(2),
// with RWF_DSYNC (4.13). When a call returns the kernel has the bytes, whatever becomes of this
// process, and no thread waits for the device: an eventfd in the event loop says what is done.
#include "napi_util.h"

// The kernel's headers are a package of their own where the C library is musl.
#if defined(__linux__) && __has_include(<linux/aio_abi.h>) && __has_include(<linux/fs.h>)
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#if defined(RWF_DSYNC)
#define STRATALOG_HAS_AIO
#endif
#endif

namespace stratalog {

#if defined(STRATALOG_HAS_AIO)

namespace {

// At most so many are under way in one environment; beyond it `writeDurableLater` says no.
constexpr unsigned kMaxWrites = 32;
constexpr long kEventsAtOnce = 16;

long SetUp(unsigned count, aio_context_t* context) {
  return syscall(SYS_io_setup, count, context);
}
long Destroy(aio_context_t context) { return syscall(SYS_io_destroy, context); }
long Submit(aio_context_t context, iocb* block) {
  return syscall(SYS_io_submit, context, 1L, &block);
}
// Waits for `least` events. Returns how many there are, at most kEventsAtOnce.
long Completed(aio_context_t context, long least, io_event* events) {
  long count;
  do {
    count = syscall(SYS_io_getevents, context, least, kEventsAtOnce, events, nullptr);
  } while (count < 0 && errno == EINTR);
  return count;
}

// One write under way: its bytes are held until it is done.
struct Write {
  iocb block = {};
  napi_ref bytes = nullptr;
  napi_deferred settled = nullptr;
};

}  // namespace

// All writes of one environment. Made by the first; deleted by its cleanup hook once its handle is closed.
class DurableWrites {
 public:
  // Null where the system has no AIO, or no room for more of it.
  static DurableWrites* Of(Napi::Env env);

  // The promise, or null when nothing was written: the caller goes another way then.
  napi_value Start(int fd, napi_value bytes, const uint8_t* data, size_t size, int64_t position);

  // Waits for all that is under way, and counts those to `fd`. Returns the errno of one that failed, or 0.
  int Finish(int fd, uint32_t* count);

 private:
  explicit DurableWrites(Napi::Env env) : env_(env) {}
  bool Open();
  void OnEvents();
  int Settle(Write* write, int64_t result);
  void Resolve(napi_deferred settled);
  void LetGo(Write* write);
  void Shutdown(napi_async_cleanup_hook_handle hook);

  napi_env env_;
  aio_context_t context_ = 0;
  Descriptor event_;
  uv_poll_t poll_;
  napi_async_context scope_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  unsigned under_way_ = 0;
};

DurableWrites* DurableWrites::Of(Napi::Env env) {
  Environment* environment = env.GetInstanceData<Environment>();
  if (environment->writes == nullptr && !environment->has_no_writes) {
    DurableWrites* made = new DurableWrites(env);
    if (made->Open()) {
      environment->writes = made;
    } else {
      environment->has_no_writes = true;
      delete made;
    }
  }
  return environment->writes;
}

bool DurableWrites::Open() {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok) return false;
  event_ = Descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event_.valid() || SetUp(kMaxWrites, &context_) != 0) return false;
  // A sandbox may allow the one call and not the other.
  io_event events[kEventsAtOnce];
  if (Completed(context_, 0, events) != 0 || uv_poll_init(loop, &poll_, event_.get()) != 0) {
    Destroy(context_);
    return false;
  }
  poll_.data = this;
  uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    static_cast<DurableWrites*>(poll->data)->OnEvents();
  });
  uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));  // a write under way keeps the process, not this
  napi_async_init(env_, nullptr, Napi::String::New(env_, "stratalog.writeDurable"), &scope_);
  napi_add_async_cleanup_hook(
      env_,
      [](napi_async_cleanup_hook_handle hook, void* data) {
        static_cast<DurableWrites*>(data)->Shutdown(hook);
      },
      this, &hook_);
  return true;
}

napi_value DurableWrites::Start(int fd, napi_value bytes, const uint8_t* data, size_t size,
                                int64_t position) {
  if (under_way_ == kMaxWrites) return nullptr;
  auto write = std::make_unique<Write>();
  iocb& block = write->block;
  block.aio_data = reinterpret_cast<uint64_t>(write.get());
  block.aio_lio_opcode = IOCB_CMD_PWRITE;
  block.aio_rw_flags = RWF_DSYNC;
  block.aio_fildes = static_cast<uint32_t>(fd);
  block.aio_buf = reinterpret_cast<uint64_t>(data);
  block.aio_nbytes = size;
  block.aio_offset = position;
  block.aio_flags = IOCB_FLAG_RESFD;
  block.aio_resfd = static_cast<uint32_t>(event_.get());
  napi_value promise = nullptr;
  if (napi_create_promise(env_, &write->settled, &promise) != napi_ok) return nullptr;
  if (napi_create_reference(env_, bytes, 1, &write->bytes) != napi_ok ||
      Submit(context_, &block) != 1) {
    LetGo(write.get());
    Resolve(write->settled);  // frees it; nobody has the promise
    return nullptr;
  }
  write.release();  // now OnEvents'
  if (under_way_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_));
  return promise;
}

// Plain Node-API and no assumption that it works, as in send_file.cc.
void DurableWrites::OnEvents() {
  uint64_t count = 0;
  if (read(event_.get(), &count, sizeof count) < 0 && errno != EAGAIN) return;
  napi_handle_scope handles = nullptr;
  napi_callback_scope callback = nullptr;
  napi_value resource = nullptr;
  if (napi_open_handle_scope(env_, &handles) != napi_ok) return;
  bool is_open = napi_create_object(env_, &resource) == napi_ok &&
                 napi_open_callback_scope(env_, resource, scope_, &callback) == napi_ok;
  io_event events[kEventsAtOnce];
  long found;
  do {
    found = Completed(context_, 0, events);
    for (long i = 0; i < found; i++) {
      Settle(reinterpret_cast<Write*>(events[i].data), events[i].res);
    }
  } while (found == kEventsAtOnce);
  // Who was told runs now, and may begin the next write.
  if (is_open) napi_close_callback_scope(env_, callback);
  napi_close_handle_scope(env_, handles);
}

int DurableWrites::Finish(int fd, uint32_t* count) {
  int error = 0;
  io_event events[kEventsAtOnce];
  while (under_way_ > 0) {
    long found = Completed(context_, 1, events);
    if (found <= 0) return found == 0 ? EIO : errno;
    for (long i = 0; i < found; i++) {
      Write* write = reinterpret_cast<Write*>(events[i].data);
      bool is_asked_for = write->block.aio_fildes == static_cast<uint32_t>(fd);
      int failed = Settle(write, events[i].res);
      if (!is_asked_for) continue;
      ++*count;
      if (failed != 0) error = failed;
    }
  }
  return error;
}

// Returns the errno of a write that failed, or 0.
int DurableWrites::Settle(Write* done, int64_t result) {
  std::unique_ptr<Write> write(done);
  if (--under_way_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
  LetGo(write.get());
  if (result == static_cast<int64_t>(write->block.aio_nbytes)) {
    Resolve(write->settled);
    return 0;
  }
  // A part that was written says nothing of why the rest was not.
  int error = result < 0 ? static_cast<int>(-result) : EIO;
  napi_value value = CreateSystemError(env_, error, "io_submit");
  if (value != nullptr) napi_reject_deferred(env_, write->settled, value);
  return error;
}

void DurableWrites::Resolve(napi_deferred settled) {
  napi_value value = nullptr;
  if (napi_get_undefined(env_, &value) == napi_ok) napi_resolve_deferred(env_, settled, value);
}

void DurableWrites::LetGo(Write* write) {
  if (write->bytes != nullptr) napi_delete_reference(env_, write->bytes);
  write->bytes = nullptr;
}

// Waits for what is under way, whose memory must not go before; nobody is told.
void DurableWrites::Shutdown(napi_async_cleanup_hook_handle hook) {
  hook_ = hook;
  io_event events[kEventsAtOnce];
  while (under_way_ > 0) {
    long found = Completed(context_, 1, events);
    if (found <= 0) break;
    for (long i = 0; i < found; i++) {
      std::unique_ptr<Write> write(reinterpret_cast<Write*>(events[i].data));
      LetGo(write.get());
      under_way_--;
    }
  }
  Destroy(context_);
  napi_async_destroy(env_, scope_);
  Napi::Env(env_).GetInstanceData<Environment>()->writes = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
    DurableWrites* writes = static_cast<DurableWrites*>(handle->data);
    napi_remove_async_cleanup_hook(writes->hook_);
    delete writes;
  });
  event_.Close();  // allowed once uv_close has been called
}

#endif

namespace {

// writeDurableLater(directFd, bytes, position)
Napi::Value WriteDurableLater(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = -1;
  int64_t position = 0;
  if (!ReadDescriptor(info[0], "directFd", &fd)) return env.Undefined();
  if (!info[1].IsTypedArray()) {
    ThrowTypeError(env, "bytes");
    return env.Undefined();
  }
  if (!ReadBytes(info[2], "position", 0, &position)) return env.Undefined();
#if defined(STRATALOG_HAS_AIO)
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  bool is_direct = reinterpret_cast<uintptr_t>(bytes.Data()) % kDirectUnit == 0 &&
                   bytes.ByteLength() % kDirectUnit == 0 && position % kDirectUnit == 0;
  DurableWrites* writes = is_direct ? DurableWrites::Of(env) : nullptr;
  if (writes != nullptr) {
    napi_value promise = writes->Start(fd, bytes, bytes.Data(), bytes.ByteLength(), position);
    if (promise != nullptr) return Napi::Value(env, promise);
  }
#endif
  return env.Undefined();
}

// finishDurableWrites(directFd)
Napi::Value FinishDurableWrites(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = -1;
  uint32_t count = 0;
  if (!ReadDescriptor(info[0], "directFd", &fd)) return env.Undefined();
#if defined(STRATALOG_HAS_AIO)
  DurableWrites* writes = env.GetInstanceData<Environment>()->writes;
  int error = writes == nullptr ? 0 : writes->Finish(fd, &count);
  if (error != 0) {
    ThrowSystemError(env, error, "io_submit");
    return env.Undefined();
  }
#endif
  return Napi::Number::New(env, count);
}

}  // namespace

void ExportDurableWrites(Napi::Env env, Napi::Object exports) {
  exports.Set("writeDurableLater",
              Napi::Function::New<WriteDurableLater>(env, "writeDurableLater"));
  exports.Set("finishDurableWrites",
              Napi::Function::New<FinishDurableWrites>(env, "finishDurableWrites"));
}

}  // namespace stratalog
