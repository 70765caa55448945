/* getaddrinfo(3) of whatever C library it is built with: `getaddrinfo NAME` prints one address a line. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  int status = getaddrinfo(argv[1], NULL, &hints, &found);
  if (status != 0) {
    fprintf(stderr, "%s\n", gai_strerror(status));
    return 1;
  }
  for (struct addrinfo *one = found; one; one = one->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void *address = one->ai_family == AF_INET
                              ? (const void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
                              : (const void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
    puts(inet_ntop(one->ai_family, address, text, sizeof text));
  }
  freeaddrinfo(found);
  return 0;
}
