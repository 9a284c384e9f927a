import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;

/** Java's HttpClient as it comes: it offers to upgrade to HTTP/2. Arguments: the address, then files, each posted twice. */
public class DefaultClient {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int file = 1; file < arguments.length; file++) {
            for (int turn = 0; turn < 2; turn++) {
                HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
                        .header("Content-Type", "application/octet-stream")
                        .POST(HttpRequest.BodyPublishers.ofFile(Path.of(arguments[file])))
                        .build();
                HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
                System.out.println(answer.statusCode() + " " + answer.body().strip());
            }
        }
    }
}
