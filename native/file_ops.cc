// Reservation of blocks, fdatasync, directory fsync, the advisory lock on a whole file, and what a
// descriptor's socket may hold.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "napi_util.h"

namespace stratalog {
namespace {

// Each of these returns 0 or an errno and may run on any thread.

int SyncData(int fd) {
  int result;
  do {
#if defined(__APPLE__)
    // fsync(2) leaves the data in the drive's cache there.
    result = fcntl(fd, F_FULLFSYNC);
    if (result != 0 && errno == ENOTSUP) result = fsync(fd);
#else
    result = fdatasync(fd);
#endif
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

int SyncNames(const std::string& path) {
  Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return errno;
  int result;
  do {
    result = fsync(directory.get());
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

// *is_reserved is false where nothing can be reserved. The size of the file stays.
int Reserve(int fd, int64_t position, int64_t length, bool* is_reserved) {
#if defined(__linux__)
  int result;
  do {
    result = fallocate(fd, FALLOC_FL_KEEP_SIZE, position, length);
  } while (result != 0 && errno == EINTR);
  *is_reserved = result == 0;
  return result == 0 || errno == EOPNOTSUPP || errno == ENOSYS ? 0 : errno;
#else
  *is_reserved = false;
  return 0;
#endif
}

int WriteFully(int fd, const uint8_t* data, size_t size, int64_t position) {
  while (size > 0) {
    ssize_t written = pwrite(fd, data, size, position);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO;
    data += written;
    size -= static_cast<size_t>(written);
    position += written;
  }
  return 0;
}

// Through `direct_fd`, another descriptor of the file that goes past the page cache, where that can
// be: it is -1, or memory, place and size are not in units, or the file system wants larger ones.
int WriteDurably(int fd, int direct_fd, const uint8_t* data, size_t size, int64_t position,
                 const char** syscall) {
  bool is_direct = direct_fd >= 0 && reinterpret_cast<uintptr_t>(data) % kDirectUnit == 0 &&
                   size % kDirectUnit == 0 && position % kDirectUnit == 0;
  *syscall = "pwrite";
  ssize_t written = -1;
  if (is_direct) {
    do {
      written = pwrite(direct_fd, data, size, position);
    } while (written < 0 && errno == EINTR);
    if (written < 0 && errno != EINVAL) return errno;
  }
  size_t done = written > 0 ? static_cast<size_t>(written) : 0;
  int error = WriteFully(fd, data + done, size - done, position + static_cast<int64_t>(done));
  if (error != 0) return error;
  *syscall = "fdatasync";
  return SyncData(fd);
}

// One of the above on the thread pool, settling a promise.
struct SyncWork {
  int fd = -1;
  std::string path;
  int error = 0;
  napi_async_work work = nullptr;
  napi_deferred settled = nullptr;

  const char* syscall() const { return fd >= 0 ? "fdatasync" : "fsync"; }
};

void RunSync(napi_env, void* data) {
  SyncWork* work = static_cast<SyncWork*>(data);
  work->error = work->fd >= 0 ? SyncData(work->fd) : SyncNames(work->path);
}

// An environment that ends meanwhile refuses each of these calls; then nobody waits either.
void FinishSync(napi_env env, napi_status, void* data) {
  std::unique_ptr<SyncWork> work(static_cast<SyncWork*>(data));
  napi_value value = nullptr;
  if (work->error == 0) {
    if (napi_get_undefined(env, &value) == napi_ok) napi_resolve_deferred(env, work->settled, value);
  } else {
    value = CreateSystemError(env, work->error, work->syscall());
    if (value != nullptr) napi_reject_deferred(env, work->settled, value);
  }
  napi_delete_async_work(env, work->work);
}

Napi::Value Enqueue(Napi::Env env, std::unique_ptr<SyncWork> work) {
  napi_value promise = nullptr;
  napi_value name = nullptr;
  bool is_queued =
      napi_create_string_utf8(env, "stratalog.sync", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_promise(env, &work->settled, &promise) == napi_ok &&
      napi_create_async_work(env, nullptr, name, RunSync, FinishSync, work.get(), &work->work) ==
          napi_ok &&
      napi_queue_async_work(env, work->work) == napi_ok;
  if (!is_queued) {
    ThrowSystemError(env, ENOMEM, work->syscall());
    return env.Undefined();
  }
  work.release();  // now FinishSync's
  return Napi::Value(env, promise);
}

void ThrowUnlessZero(Napi::Env env, int error, const char* syscall) {
  if (error != 0) ThrowSystemError(env, error, syscall);
}

// fdatasync(fd)
Napi::Value FdatasyncAsync(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (!ReadDescriptor(info[0], "fd", &fd)) return info.Env().Undefined();
  auto work = std::make_unique<SyncWork>();
  work->fd = fd;
  return Enqueue(info.Env(), std::move(work));
}

// fdatasyncSync(fd)
Napi::Value FdatasyncSync(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (!ReadDescriptor(info[0], "fd", &fd)) return info.Env().Undefined();
  ThrowUnlessZero(info.Env(), SyncData(fd), "fdatasync");
  return info.Env().Undefined();
}

// writeDurable(fd, directFd, bytes, position)
Napi::Value WriteDurable(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = -1;
  int64_t direct_fd = -1;
  int64_t position = 0;
  if (!ReadDescriptor(info[0], "fd", &fd)) return env.Undefined();
  if (!ReadInteger(info[1], "directFd", -1, INT32_MAX, &direct_fd)) return env.Undefined();
  if (!info[2].IsTypedArray()) {
    ThrowTypeError(env, "bytes");
    return env.Undefined();
  }
  if (!ReadBytes(info[3], "position", 0, &position)) return env.Undefined();
  Napi::Uint8Array bytes = info[2].As<Napi::Uint8Array>();
  const char* syscall = nullptr;
  int error = WriteDurably(fd, static_cast<int>(direct_fd), bytes.Data(), bytes.ByteLength(),
                           position, &syscall);
  ThrowUnlessZero(env, error, syscall);
  return env.Undefined();
}

// duplicate(fd)
Napi::Value Duplicate(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (!ReadDescriptor(info[0], "fd", &fd)) return info.Env().Undefined();
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    ThrowSystemError(info.Env(), errno, "dup");
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), copy);
}

// pageOffset(bytes)
Napi::Value PageOffset(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) {
    ThrowTypeError(info.Env(), "bytes");
    return info.Env().Undefined();
  }
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  auto address = reinterpret_cast<uintptr_t>(bytes.Data());
  return Napi::Number::New(info.Env(), static_cast<double>(address % kDirectUnit));
}

bool ReadPath(const Napi::CallbackInfo& info, std::string* path) {
  if (!info[0].IsString()) {
    ThrowTypeError(info.Env(), "path");
    return false;
  }
  *path = info[0].As<Napi::String>().Utf8Value();
  return true;
}

// syncDirectory(path)
Napi::Value SyncDirectoryAsync(const Napi::CallbackInfo& info) {
  auto work = std::make_unique<SyncWork>();
  if (!ReadPath(info, &work->path)) return info.Env().Undefined();
  return Enqueue(info.Env(), std::move(work));
}

// syncDirectorySync(path)
Napi::Value SyncDirectorySync(const Napi::CallbackInfo& info) {
  std::string path;
  if (!ReadPath(info, &path)) return info.Env().Undefined();
  ThrowUnlessZero(info.Env(), SyncNames(path), "fsync");
  return info.Env().Undefined();
}

// reserve(fd, position, length)
Napi::Value ReserveBlocks(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = -1;
  int64_t position = 0;
  int64_t length = 0;
  if (!ReadDescriptor(info[0], "fd", &fd)) return env.Undefined();
  if (!ReadBytes(info[1], "position", 0, &position)) return env.Undefined();
  if (!ReadBytes(info[2], "length", 1, &length)) return env.Undefined();
  bool is_reserved = false;
  int error = Reserve(fd, position, length, &is_reserved);
  if (error != 0) {
    ThrowSystemError(env, error, "fallocate");
    return env.Undefined();
  }
  return Napi::Boolean::New(env, is_reserved);
}

// tryLock(fd). A lock of the open file description excludes other descriptors of this process as
// well, and conflicts with the record lock that a JVM takes; flock(2) does only the first.
Napi::Value TryLock(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = -1;
  if (!ReadDescriptor(info[0], "fd", &fd)) return env.Undefined();
#if defined(F_OFD_SETLK)
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (fcntl(fd, F_OFD_SETLK, &whole) == 0) return Napi::Boolean::New(env, true);
  if (errno == EAGAIN || errno == EACCES) return Napi::Boolean::New(env, false);
  if (errno != EINVAL) {
    ThrowSystemError(env, errno, "fcntl");
    return env.Undefined();
  }
#endif
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(env, true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(env, false);
  ThrowSystemError(env, errno, "flock");
  return env.Undefined();
}

// limitSendBuffer(fd, bytes)
Napi::Value LimitSendBuffer(const Napi::CallbackInfo& info) {
  int fd = -1;
  int64_t bytes = 0;
  if (!ReadDescriptor(info[0], "fd", &fd)) return info.Env().Undefined();
  if (!ReadInteger(info[1], "bytes", 1, INT32_MAX / 2, &bytes)) return info.Env().Undefined();
  int value = static_cast<int>(bytes);
  bool failed = setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof value) != 0;
  ThrowUnlessZero(info.Env(), failed ? errno : 0, "setsockopt");
  return info.Env().Undefined();
}

}  // namespace

void ExportFileOps(Napi::Env env, Napi::Object exports) {
  exports.Set("reserve", Napi::Function::New<ReserveBlocks>(env, "reserve"));
  exports.Set("writeDurable", Napi::Function::New<WriteDurable>(env, "writeDurable"));
  exports.Set("duplicate", Napi::Function::New<Duplicate>(env, "duplicate"));
  exports.Set("limitSendBuffer", Napi::Function::New<LimitSendBuffer>(env, "limitSendBuffer"));
  exports.Set("pageOffset", Napi::Function::New<PageOffset>(env, "pageOffset"));
  exports.Set("fdatasync", Napi::Function::New<FdatasyncAsync>(env, "fdatasync"));
  exports.Set("fdatasyncSync", Napi::Function::New<FdatasyncSync>(env, "fdatasyncSync"));
  exports.Set("syncDirectory", Napi::Function::New<SyncDirectoryAsync>(env, "syncDirectory"));
  exports.Set("syncDirectorySync",
              Napi::Function::New<SyncDirectorySync>(env, "syncDirectorySync"));
  exports.Set("tryLock", Napi::Function::New<TryLock>(env, "tryLock"));
}

}  // namespace stratalog
