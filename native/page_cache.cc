// Whether the page cache has what is about to be read, so that nobody waits for the disk unawares: a read
// that may not wait (RWF_NOWAIT, Linux 4.14) is refused with EAGAIN where it would; newer kernels begin to
// read what was missing then, without a wait. File systems that know no such read, tmpfs among them, and
// other systems: everything counts as cached.
#include <fcntl.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <sys/uio.h>
#endif

#include "napi_util.h"

namespace stratalog {

#if defined(SYS_preadv2)

namespace {

// The cache is filled and emptied in long runs: pages between two that it has are there too.
constexpr int64_t kProbeBytes = 128 * 1024;

bool HasByte(int file, int64_t position) {
  constexpr int kNoWait = 8;  // RWF_NOWAIT, which older headers lack
  uint8_t byte;
  struct iovec one = {&byte, 1};
  // The C library of Alpine had no preadv2(3) for long. It takes the position in two halves.
  long result = syscall(SYS_preadv2, file, &one, 1, static_cast<long>(position),
                        static_cast<long>(position >> 32), kNoWait);
  return result >= 0 || errno != EAGAIN;
}

}  // namespace

int64_t CachedBytes(int file, int64_t position, int64_t count) {
  int64_t found = 0;
  for (int64_t at = 0; at < count; at += kProbeBytes) {
    if (!HasByte(file, position + at)) return found;
    found = at;
  }
  return HasByte(file, position + count - 1) ? count : found;
}

void ReadAhead(int file, int64_t position, int64_t count) {
  readahead(file, position, static_cast<size_t>(count));
}

#else

int64_t CachedBytes(int, int64_t, int64_t count) { return count; }
void ReadAhead(int, int64_t, int64_t) {}

#endif

namespace {

// isCached(fd, position, length)
Napi::Value IsCached(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = -1;
  int64_t position = 0;
  int64_t length = 0;
  if (!ReadFileRange(info, &fd, &position, &length)) return env.Undefined();
  return Napi::Boolean::New(env, CachedBytes(fd, position, length) == length);
}

}  // namespace

void ExportPageCache(Napi::Env env, Napi::Object exports) {
  exports.Set("isCached", Napi::Function::New<IsCached>(env, "isCached"));
}

}  // namespace stratalog
