<?php
// Everything comes from the environment, by the names that the official wordpress image uses.
function wherry_setting(string $name, string $default = ''): string
{
    $value = getenv($name);
    return $value === false ? $default : $value;
}

define('DB_NAME', wherry_setting('WORDPRESS_DB_NAME', 'wordpress'));
define('DB_USER', wherry_setting('WORDPRESS_DB_USER', 'wordpress'));
define('DB_PASSWORD', wherry_setting('WORDPRESS_DB_PASSWORD'));
define('DB_HOST', wherry_setting('WORDPRESS_DB_HOST', 'database'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY',
          'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT'] as $key) {
    define($key, wherry_setting("WORDPRESS_$key"));
}
$table_prefix = wherry_setting('WORDPRESS_TABLE_PREFIX', 'wp_');
define('WP_DEBUG', false);
if ($extra = wherry_setting('WORDPRESS_CONFIG_EXTRA')) {
    eval($extra);
}
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
