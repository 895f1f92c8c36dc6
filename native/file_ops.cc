// Reservation of blocks, durable writes on this thread, the advisory lock on a whole file, and what a
// descriptor's socket may hold.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "napi_util.h"

namespace stratalog {
namespace {

// Each of these returns 0 or an errno and may run on any thread.

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

// reserve(fd, position, length)
Napi::Value ReserveBlocks(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = -1;
  int64_t position = 0;
  int64_t length = 0;
  if (!ReadFileRange(info, &fd, &position, &length)) return env.Undefined();
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
  exports.Set("tryLock", Napi::Function::New<TryLock>(env, "tryLock"));
}

}  // namespace stratalog
