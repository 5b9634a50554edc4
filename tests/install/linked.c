/* A program that is linked with the library: getpwnam and nss_wrapper_enabled come from there. */
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
