// Prints the name that /etc/passwd has for the user id of the process. Reads the file itself, without getpwuid(3).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	char line[1024];
	char want[32];
	FILE *passwd = fopen("/etc/passwd", "re");

	if (passwd == NULL) {
		perror("/etc/passwd");
		return EXIT_FAILURE;
	}
	snprintf(want, sizeof(want), "%u", (unsigned)getuid());
	while (fgets(line, sizeof(line), passwd) != NULL) {
		char *rest = line;
		const char *name = strsep(&rest, ":");
		const char *uid;

		strsep(&rest, ":");
		uid = strsep(&rest, ":");
		if (uid != NULL && strcmp(uid, want) == 0) {
			puts(name);
			fclose(passwd);
			return EXIT_SUCCESS;
		}
	}
	fclose(passwd);
	fprintf(stderr, "no entry for %s\n", want);
	return EXIT_FAILURE;
}
