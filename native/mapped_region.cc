// mmap, munmap, msync, madvise.
//
// A region is shown to JavaScript as an external ArrayBuffer. It ends exactly once: by `unmap`,
// which first detaches the buffer so that no view can reach the memory any more, or by the
// finalizer that runs when the buffer is garbage or its environment ends.
#include <sys/mman.h>
#include <sys/stat.h>

#include <unordered_map>

#include "napi_util.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

namespace stratalog {

struct Region {
  void* data;  // null once unmapped
  size_t length;
  std::shared_ptr<RegionTable> table;
};

// The live regions of one environment by address: tells our buffers from anybody else's.
class RegionTable {
 public:
  void Add(Region* region) { by_address_[region->data] = region; }

  Region* Find(void* data) const {
    auto found = by_address_.find(data);
    return found == by_address_.end() ? nullptr : found->second;
  }

  void Unmap(Region* region) {
    by_address_.erase(region->data);
    munmap(region->data, region->length);
    region->data = nullptr;
  }

 private:
  std::unordered_map<void*, Region*> by_address_;
};

namespace {

void FinalizeRegion(napi_env, void*, void* hint) {
  std::unique_ptr<Region> region(static_cast<Region*>(hint));
  if (region->data != nullptr) region->table->Unmap(region.get());
}

// map(fd, length)
Napi::Value Map(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = -1;
  int64_t length = 0;
  if (!ReadDescriptor(info[0], "fd", &fd)) return env.Undefined();
  if (!ReadBytes(info[1], "length", 1, &length)) return env.Undefined();
  struct stat found;
  if (fstat(fd, &found) != 0) {
    ThrowSystemError(env, errno, "fstat");
    return env.Undefined();
  }
  // Touching a page wholly beyond the end of the file raises SIGBUS.
  if (length > found.st_size) {
    ThrowSystemError(env, EINVAL, "mmap");
    return env.Undefined();
  }
  size_t size = static_cast<size_t>(length);
  void* data =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  if (data == MAP_FAILED) {
    ThrowSystemError(env, errno, "mmap");
    return env.Undefined();
  }
  auto region = std::make_unique<Region>(Region{data, size, env.GetInstanceData<Environment>()->regions});
  napi_value buffer;
  napi_status status = napi_create_external_arraybuffer(env, data, size, FinalizeRegion,
                                                        region.get(), &buffer);
  if (status != napi_ok) {
    munmap(data, size);
    ThrowSystemError(env, ENOMEM, "mmap");
    return env.Undefined();
  }
  region->table->Add(region.get());
  region.release();  // now the finalizer's
  return Napi::Value(env, buffer);
}

// The region an ArrayBuffer argument shows, or null when it is unmapped or none of ours.
Region* FindRegion(const Napi::CallbackInfo& info) {
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_arraybuffer_info(info.Env(), info[0], &data, &length) != napi_ok) return nullptr;
  if (data == nullptr) return nullptr;
  Region* region = info.Env().GetInstanceData<Environment>()->regions->Find(data);
  return region != nullptr && region->length == length ? region : nullptr;
}

// unmap(region)
Napi::Value Unmap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArrayBuffer()) {
    ThrowTypeError(env, "region");
    return env.Undefined();
  }
  Region* region = FindRegion(info);
  if (region == nullptr) return env.Undefined();
  if (napi_detach_arraybuffer(env, info[0]) != napi_ok) {
    ThrowSystemError(env, EINVAL, "munmap");
    return env.Undefined();
  }
  region->table->Unmap(region);
  return env.Undefined();
}

int AdviceOf(const Napi::Value& value) {
  if (!value.IsString()) return -1;
  std::string name = value.As<Napi::String>().Utf8Value();
  if (name == "normal") return MADV_NORMAL;
  if (name == "sequential") return MADV_SEQUENTIAL;
  if (name == "random") return MADV_RANDOM;
  if (name == "willneed") return MADV_WILLNEED;
  if (name == "dontneed") return MADV_DONTNEED;
  return -1;
}

// advise(region, position, length, advice)
Napi::Value Advise(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int64_t position = 0;
  int64_t length = 0;
  Region* region = FindRegion(info);
  if (region == nullptr) {
    ThrowSystemError(env, EINVAL, "madvise");
    return env.Undefined();
  }
  if (!ReadBytes(info[1], "position", 0, &position)) return env.Undefined();
  if (!ReadBytes(info[2], "length", 0, &length)) return env.Undefined();
  size_t start = static_cast<size_t>(position);
  size_t size = static_cast<size_t>(length);
  if (start > region->length || size > region->length - start) {
    ThrowRangeError(env, "position or length");
    return env.Undefined();
  }
  int advice = AdviceOf(info[3]);
  if (advice < 0) {
    ThrowTypeError(env, "advice");
    return env.Undefined();
  }
  // The kernel wants a page boundary; the mapping itself starts on one.
  size_t into_page = start % static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (madvise(static_cast<char*>(region->data) + start - into_page, size + into_page, advice) != 0) {
    ThrowSystemError(env, errno, "madvise");
  }
  return env.Undefined();
}

// syncMap(region)
Napi::Value SyncMap(const Napi::CallbackInfo& info) {
  Region* region = FindRegion(info);
  if (region == nullptr) {
    ThrowSystemError(info.Env(), EINVAL, "msync");
  } else if (msync(region->data, region->length, MS_SYNC) != 0) {
    ThrowSystemError(info.Env(), errno, "msync");
  }
  return info.Env().Undefined();
}

}  // namespace

void ExportMappedRegion(Napi::Env env, Napi::Object exports) {
  env.GetInstanceData<Environment>()->regions = std::make_shared<RegionTable>();
  exports.Set("map", Napi::Function::New<Map>(env, "map"));
  exports.Set("unmap", Napi::Function::New<Unmap>(env, "unmap"));
  exports.Set("advise", Napi::Function::New<Advise>(env, "advise"));
  exports.Set("syncMap", Napi::Function::New<SyncMap>(env, "syncMap"));
}

}  // namespace stratalog
