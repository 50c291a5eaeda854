<?php
// Drive a PHP client of openapi-generator: `php php_client.php LIB BASE_URL`, calls on stdin (../clients.py).
require '/usr/share/php/GuzzleHttp/autoload.php';
require '/usr/share/php/GuzzleHttp/Psr7/autoload.php';

use OpenAPI\Client\{ApiException, Configuration, ObjectSerializer};

[, $library, $base] = $argv;
spl_autoload_register(function (string $class) use ($library): void {
    $file = $library . str_replace(['OpenAPI\\Client', '\\'], ['', '/'], $class) . '.php';
    if (str_starts_with($class, 'OpenAPI\\Client\\') && is_file($file)) {
        require $file;
    }
});

$wire = null;
$stack = GuzzleHttp\HandlerStack::create();
$headers = [];
$stack->push(GuzzleHttp\Middleware::mapRequest(function ($request) use (&$headers) {
    if ($request->getBody()->getSize() === 0) { // a media type of nothing, which a signature would have to cover
        $request = $request->withoutHeader('Content-Type'); // OpenAPITools/openapi-generator#476
    }
    foreach ($headers as $name => $value) {
        $request = $request->withHeader($name, $value);
    }
    return $request;
}));
$stack->push(GuzzleHttp\Middleware::mapResponse(function ($response) use (&$wire) {
    $body = (string) $response->getBody();
    $response->getBody()->rewind();
    $wire = ['status' => $response->getStatusCode(), 'headers' => [], 'body' => $body];
    foreach ($response->getHeaders() as $name => $values) {
        foreach ($values as $value) {
            $wire['headers'][] = [$name, $value];
        }
    }
    return $response;
}));
$http = new GuzzleHttp\Client(['handler' => $stack]);
$configuration = (new Configuration())->setHost($base);
$apis = array_map(
    fn($file) => new ('OpenAPI\\Client\\Api\\' . basename($file, '.php'))($http, $configuration),
    glob("$library/Api/*.php"),
);

/** Return a name as all languages agree on it. */
function plain(string $name): string
{
    return preg_replace('/[^a-z0-9]/', '', strtolower($name));
}

/** Make a call; return what the client made of the answer. */
function ask(object $call, array $apis, Configuration $configuration): mixed
{
    foreach ($apis as $api) {
        $name = plain($call->operation) . 'withhttpinfo';
        foreach (get_class_methods($api) as $candidate) {
            if (strtolower($candidate) === $name) {
                $method = new ReflectionMethod($api, $candidate);
                break 2;
            }
        }
    }
    foreach ($call->keys as $name => $value) {
        $configuration->setApiKey($name, $value);
    }
    $payload = $call->payload;
    $given = [];
    foreach ($call->parameters as $one) {
        $given[plain($one->name)] = $one->value;
    }
    preg_match_all('/@param\s+(\S+)\s+\$(\w+)/', $method->getDocComment(), $found, PREG_SET_ORDER);
    $types = array_column($found, 1, 2);
    $arguments = [];
    foreach ($method->getParameters() as $parameter) {
        $name = $parameter->getName();
        $type = preg_replace('/\|null$/', '', $types[$name] ?? '');
        if ($name === 'contentType') {
            continue;
        }
        if (array_key_exists(plain($name), $given)) {
            $value = $given[plain($name)];
            $declared = $parameter->getType() instanceof ReflectionNamedType ? $parameter->getType()->getName() : '';
            $arguments[$name] = enum_exists($declared) ? $declared::from($value) : $value;
        } elseif (is_object($payload) && str_contains($type, '\\Model\\') && !isset($payload->{$name})) {
            $arguments[$name] = ObjectSerializer::deserialize($payload, $type);
        } elseif (is_object($payload)) {
            foreach ($payload as $member => $value) {
                if (plain($member) === plain($name)) {
                    $arguments[$name] = $value;
                }
            }
        } elseif ($payload !== null && !isset($arguments[$name])) {
            $arguments[$name] = $payload;
        }
    }
    return $method->invokeArgs($api, $arguments)[0];
}

while (($line = fgets(STDIN)) !== false) {
    $wire = null;
    $call = json_decode($line);
    $headers = (array) $call->headers;
    $answer = [];
    try {
        $data = ask($call, $apis, $configuration);
        if (is_object($data) && !($data instanceof SplFileObject)) {
            $answer['understood'] = ObjectSerializer::sanitizeForSerialization($data);
        }
    } catch (ApiException $error) {
        $data = $error->getResponseObject();
        if (is_object($data)) {
            $answer['understood'] = ObjectSerializer::sanitizeForSerialization($data);
        }
    } catch (Throwable $error) {
        $answer[$wire === null ? 'refused' : 'broken'] = get_class($error) . ': ' . $error->getMessage();
    }
    echo json_encode($answer + ($wire ?? []), JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR), "\n";
}
