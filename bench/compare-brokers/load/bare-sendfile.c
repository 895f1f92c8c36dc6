/*
 * The least a server can do for a fetch: bare-sendfile <file> <bytes> <header>. For every request, a
 * frame with a 32-bit length in front, one answer: <header>, given in hex, and <bytes> of the file by
 * sendfile(2). One connection after the other. Prints "listening on <port>".
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* As our server's: left to grow, it makes the loop three times as slow. */
static const int send_buffer = 384 * 1024;

static int read_all(int from, unsigned char *bytes, size_t count) {
  while (count > 0) {
    ssize_t got = read(from, bytes, count);
    if (got <= 0) return -1;
    bytes += got;
    count -= (size_t)got;
  }
  return 0;
}

static int skip_request(int client) {
  unsigned char bytes[4096];
  if (read_all(client, bytes, 4) != 0) return -1;
  size_t length = (size_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
  if (length > sizeof bytes) return -1;
  return read_all(client, bytes, length);
}

static int answer(int client, int file, off_t count, const unsigned char *header, size_t length) {
  if (send(client, header, length, MSG_MORE | MSG_NOSIGNAL) != (ssize_t)length) return -1;
  for (off_t at = 0; at < count;) {
    if (sendfile(client, file, &at, (size_t)(count - at)) <= 0) return -1;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int file = open(argv[1], O_RDONLY);
  off_t count = atoll(argv[2]);
  size_t length = strlen(argv[3]) / 2;
  unsigned char *header = malloc(length + 1);
  if (file < 0 || header == NULL) return 1;
  for (size_t i = 0; i < length; i++) {
    char digits[3] = {argv[3][2 * i], argv[3][2 * i + 1], 0};
    header[i] = (unsigned char)strtoul(digits, NULL, 16);
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (bind(server, (struct sockaddr *)&address, size) != 0 || listen(server, 4) != 0) return 1;
  getsockname(server, (struct sockaddr *)&address, &size);
  printf("listening on %d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int client = accept(server, NULL, NULL);
    if (client < 0) return 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(client, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    while (skip_request(client) == 0 && answer(client, file, count, header, length) == 0) {
    }
    close(client);
  }
}
