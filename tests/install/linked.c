/* Linked with the library: its own symbols come from it, and so does getpwnam. */
#include <nss_wrapper_rs.h>
#include <pwd.h>
#include <stdio.h>

int main(void)
{
	struct passwd *bob = getpwnam("bob");

	printf("%s %d %d\n", bob != NULL ? bob->pw_name : "nobody",
	       bob != NULL ? (int)bob->pw_uid : -1, nss_wrapper_enabled());
	return 0;
}
